-- Put a secret that was encrypted anew in the place of the one that was read, unless somebody has written there since.
-- Arguments: token, or tenant, or neither for a hash key; field, before, after. Results: done.
operation('reseal', function(a)
  local hash = a.token and key.token(a.token) or a.tenant and key.tenant(a.tenant) or key.retired_hash_keys()
  if call('HGET', hash, a.field) ~= a.before then return {} end
  call('HSET', hash, a.field, a.after)
  return {done = true}
end)
