-- Say who else has messages on a token, and write its balance where one was read.
-- Arguments: token, balance {available, frozen}, job (whose own message does not count).
-- Results: known (absent: it was removed), sends (messages that were sent on it, ever), others (those of other jobs that
-- are not settled).
operation('note_balance', function(a)
  if call('EXISTS', key.token(a.token)) == 0 then return {} end
  if a.balance then write_balance(a.token, a.balance) end
  forget_ended_messages(a.token)
  return {known = true, sends = messages_ever(a.token), others = others_at_work(a.token, a.job)}
end)
