-- Say who else has messages on a token, and write its balance where one was read.
-- Arguments: token, balance {available, frozen; or unlimited}, job (whose own message does not count).
-- Results: known (absent: it was removed), sends (messages that were sent on it, ever), others (those of other jobs that
-- are not settled).
operation('note_balance', function(a)
  if a.balance then write_balance(a.token, a.balance) end
  local sends, others = sure_use_of(a.token, a.job)
  return {known = sends and true, sends = sends, others = others}
end)
