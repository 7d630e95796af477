-- Write a token's state, in place of those that it may follow. What rests already does so until the later of both times; what has
-- expired, of which nobody knew when it would, did so now: it is removed some time after that.
-- Arguments: token, state, instead_of (states), rest_until_ms.
operation('mark_token', function(a)
  local found = read_fields(key.token(a.token), 'state', 'rest_until_ms', 'blocked', 'expires_ms')
  local before, until_ms = found.state, a.rest_until_ms
  if a.state == 'active' then a.state = serving_state(found.blocked) end
  if a.state == 'rate_limited' and before == a.state then
    until_ms = integer(math.max(until_ms, tonumber(found.rest_until_ms) or 0))
  end
  for _, state in ipairs(a.instead_of) do
    if state == before then
      call('HSET', key.token(a.token), 'state', a.state, 'rest_until_ms', until_ms)
      if a.state == 'expired' and not found.expires_ms then call('HSET', key.token(a.token), 'expires_ms', now_ms) end
      if a.state == 'revoked' and before ~= 'revoked' then call('HSET', key.token(a.token), 'revoked_ms', now_ms) end
    end
  end
  index_token(a.token)
  return {}
end)
