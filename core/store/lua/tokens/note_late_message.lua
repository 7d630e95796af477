-- A message was sent by a run that had lost its job: it counts once more where nobody knows of it any more, since whoever
-- settled it, or ended its job, did so before the backend had it.
-- Arguments: token, job.
operation('note_late_message', function(a)
  if call('EXISTS', key.token(a.token)) == 1 and call('HEXISTS', key.token_sent(a.token), a.job) == 0 then
    count_message(a.token)
  end
  return {}
end)
