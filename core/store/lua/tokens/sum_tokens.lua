-- Say what the tokens that serve a tenant come to, without a look at each of them. A Redis that is full allows it: it reads,
-- and what it puts into the index on the way is little.
-- Arguments: tenant.
-- Results: whole (absent: the index does not know of all yet; ask again), sure (absent: releases may run that change tokens
-- without a word to the index), kinds ('1101 active': what the scopes of some allow, read, write, upload and render, and
-- their state), known (how many balances), available, frozen (of those), read_ms (when the oldest of them was read).

local function oldest_reading_ms(owner)
  return tonumber(call('ZRANGE', key.owner_readings(owner), '(0', '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2])
end

operation('sum_tokens', function(a)
  local whole = index_strangers()
  wake_tokens()
  local total, kinds, read_ms = {known = 0, available = 0, frozen = 0}, {}, nil
  for _, owner in ipairs(has_named_tokens(a.tenant) and {a.tenant, '*'} or {'?'}) do
    local sums = call('HGETALL', key.owner_sums(owner))
    for i = 1, #sums, 2 do
      local name, number = sums[i], tonumber(sums[i + 1])
      if total[name] then
        total[name] = total[name] + number
      elseif number > 0 then
        table.insert(kinds, name)
      end
    end
    local its_ms = oldest_reading_ms(owner)
    if its_ms and not (read_ms and read_ms < its_ms) then read_ms = its_ms end
  end
  return {whole = whole, sure = not first_format.runs(), kinds = kinds, known = total.known, available = total.available,
    frozen = total.frozen, read_ms = read_ms}
end, {'allow-oom'})
