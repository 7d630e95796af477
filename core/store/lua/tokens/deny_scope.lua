-- Write that the backend refused a token a scope.
-- Arguments: token, scope.
operation('deny_scope', function(a)
  if call('EXISTS', key.token(a.token)) == 0 then return {} end
  local denied = call('HGET', key.token(a.token), 'denied') or ''
  if not string.find(denied, a.scope, 1, true) then
    call('HSET', key.token(a.token), 'denied', denied .. ' ' .. a.scope)
    index_token(a.token)
  end
  return {}
end)
