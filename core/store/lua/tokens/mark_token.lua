-- Write a token's state, in place of those that it may follow.
-- Arguments: token, state, instead_of (states), rest_until_ms.
operation('mark_token', function(a)
  local before = call('HGET', key.token(a.token), 'state')
  for _, state in ipairs(a.instead_of) do
    if state == before then
      call('HSET', key.token(a.token), 'state', a.state, 'rest_until_ms', a.rest_until_ms)
      if a.state == 'revoked' and before ~= 'revoked' then call('HSET', key.token(a.token), 'revoked_ms', now_ms) end
    end
  end
  index_token(a.token)
  return {}
end)
