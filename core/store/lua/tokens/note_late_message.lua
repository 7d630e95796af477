-- A message was sent by a run that had lost its job: it counts once more where nobody knows of it any more, since whoever
-- settled it, or ended its job, did so before the backend had it. So it does on the other tokens of its account.
-- Arguments: token, job.
operation('note_late_message', function(a)
  local _, _, tokens = use_of(a.token)
  if not tokens or call('HEXISTS', key.token_sent(a.token), a.job) == 1 then return {} end
  for _, one in ipairs(tokens) do
    if call('EXISTS', key.token(one)) == 1 then count_message(one) end
  end
  return {}
end)
