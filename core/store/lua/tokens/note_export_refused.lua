-- Write that the backend let a token export nothing: one refusal may be a passing fault, so they are counted. A token that is
-- over stays so.
-- Arguments: token, by (the job that was refused, which counts once in a row; absent: each refusal counts).
operation('note_export_refused', function(a)
  local found = read_fields(key.token(a.token), 'state', 'blocked_by')
  if not LIVING[found.state] or (a.by and found.state == 'export_blocked' and found.blocked_by == a.by) then return {} end
  call('HSET', key.token(a.token), 'state', 'export_blocked', 'blocked_by', a.by or '')
  add_to_sum('HINCRBY', key.token(a.token), 'blocked', 1)
  index_token(a.token)
  return {}
end)
