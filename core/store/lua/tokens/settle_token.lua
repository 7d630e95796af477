-- Release a job's reservation on a token, with the balance where one was read.
-- Arguments: token, job, balance {available, frozen}. Results: others, how many jobs still hold it.
operation('settle_token', function(a)
  release_token(a.token, a.job)
  if a.balance then write_balance(a.token, a.balance) end
  return {others = call('HLEN', key.token_reservations(a.token))}
end)
