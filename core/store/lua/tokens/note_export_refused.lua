-- Write that the backend let a token export nothing: one refusal may be a passing fault, so they are counted. A token that is
-- over stays so, and one that rests or has no credits does so first.
-- Arguments: token, by (the job that was refused, which counts once in a row; absent: each refusal counts).
operation('note_export_refused', function(a)
  local found = read_fields(key.token(a.token), 'state', 'blocked', 'blocked_by')
  local was_refused = serving_state(found.blocked) == 'export_blocked'
  if not LIVING[found.state] or (a.by and was_refused and found.blocked_by == a.by) then return {} end
  local state = found.state == 'active' and 'export_blocked' or found.state
  call('HSET', key.token(a.token), 'state', state, 'blocked_by', a.by or '')
  add_to_sum('HINCRBY', key.token(a.token), 'blocked', 1)
  index_token(a.token)
  return {}
end)
