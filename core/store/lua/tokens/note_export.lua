-- Write whether the backend let a token export: one refusal may be a passing fault, so they are counted.
-- Arguments: token, allowed.
operation('note_export', function(a)
  local state = call('HGET', key.token(a.token), 'state')
  if not state or (a.allowed and state ~= 'export_blocked') then return {} end
  if a.allowed then
    call('HSET', key.token(a.token), 'state', 'active', 'blocked', 0)
  else
    call('HSET', key.token(a.token), 'state', 'export_blocked')
    call('HINCRBY', key.token(a.token), 'blocked', 1)
  end
  index_token(a.token)
  return {}
end)
