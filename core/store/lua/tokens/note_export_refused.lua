-- Write that the backend let a token export nothing: one refusal may be a passing fault, so they are counted. A token that is
-- over stays so.
-- Arguments: token.
operation('note_export_refused', function(a)
  if not LIVING[call('HGET', key.token(a.token), 'state')] then return {} end
  call('HSET', key.token(a.token), 'state', 'export_blocked')
  add_to_sum('HINCRBY', key.token(a.token), 'blocked', 1)
  index_token(a.token)
  return {}
end)
