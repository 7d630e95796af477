-- Find the tokens that a tenant's jobs may run on: the operator's and its own, or else the anonymous ones by their expiry.
-- Arguments: tenant. Results: named (whether they are not anonymous), tokens.
operation('find_serving_tokens', function(a)
  index_strangers()
  local named = call('SUNION', key.named_tokens(a.tenant), key.named_tokens('*'))
  if #named > 0 then return {named = true, tokens = named} end
  return {named = false, tokens = call('ZRANGE', key.anonymous_tokens(), 0, -1)}
end)
