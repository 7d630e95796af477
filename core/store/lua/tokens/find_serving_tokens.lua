-- Find the tokens that a tenant's jobs may run on: the operator's and its own, or else the anonymous ones by their expiry.
-- Arguments: tenant, most (about how many; absent: all of them). Results: named (whether they are not anonymous), tokens.

-- Some of an owner's: those whose balance was never read, which would be tried first, and others by chance, so that whoever
-- looks again and again sees them all.
local function some_of_owner(owner, most)
  local found = call('SRANDMEMBER', key.named_tokens(owner), most)
  for _, group in ipairs(call('SMEMBERS', key.token_groups(owner))) do
    local unread = string.sub(group, 1, 1) == 'o' and call('ZRANGE', key.tokens_by_expiry(group, 'unread'), 0, most - 1)
    for _, id in ipairs(unread or {}) do table.insert(found, id) end
  end
  return found
end

local function some_named(tenant, most)
  local own, everybodys = some_of_owner(tenant, most), some_of_owner('*', most)
  local seen, found = {}, {}
  for _, ids in ipairs({own, everybodys}) do
    for _, id in ipairs(ids) do
      if not seen[id] then table.insert(found, id) end
      seen[id] = true
    end
  end
  return found
end

operation('find_serving_tokens', function(a)
  index_strangers()
  local named = a.most and some_named(a.tenant, a.most) or call('SUNION', key.named_tokens(a.tenant), key.named_tokens('*'))
  if #named > 0 then return {named = true, tokens = named} end
  return {named = false, tokens = call('ZRANGE', key.anonymous_tokens(), a.most and -a.most or 0, -1)}
end)
