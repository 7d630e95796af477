-- Find some of the tokens that a tenant's jobs may run on: the operator's and its own, or else the anonymous ones that expire
-- last. It costs the same however many there are.
-- Arguments: tenant, most (about how many).
-- Results: whole (absent: the index does not know of all yet; ask again), named (whether they are not anonymous), tokens.

-- Add so many that are not there yet.
local function add_some(found, seen, ids, room)
  for _, id in ipairs(ids) do
    if room > 0 and not seen[id] then
      table.insert(found, id)
      seen[id] = true
      room = room - 1
    end
  end
end

-- Of an owner's that are not over: those never read, which would be tried first; those whose balance was read longest ago;
-- and others by chance, so that whoever looks again and again sees them all, also where some balances can't be read.
local function some_of_owner(owner, most)
  local found, seen, readings = {}, {}, key.owner_readings(owner)
  for _, group in ipairs(call('SMEMBERS', key.token_groups(owner))) do
    local unread = string.sub(group, 1, 1) == 'o' and call('ZRANGE', key.tokens_by_expiry(group, 'unread'), 0, most - 1)
    add_some(found, seen, unread or {}, most)
  end
  local unread = #found
  add_some(found, seen, call('ZRANGE', readings, 0, most - 1), math.ceil(most / 2))
  add_some(found, seen, call('ZRANDMEMBER', readings, 2 * most), unread + most - #found)
  return found
end

operation('find_serving_tokens', function(a)
  local whole = index_strangers()
  if not has_named_tokens(a.tenant) then
    return {whole = whole, tokens = call('ZRANGE', key.anonymous_tokens(), -a.most, -1)}
  end
  local found = some_of_owner(a.tenant, a.most)
  for _, id in ipairs(some_of_owner('*', a.most)) do table.insert(found, id) end
  return {whole = whole, named = true, tokens = found}
end)
