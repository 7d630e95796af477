-- Release a job's reservation on a token, with the balance where one was read, and what such a message has cost.
-- Arguments: token, job, balance {available, frozen}, kind, learned (credits).
-- Results: others, how many jobs still hold it.
operation('settle_token', function(a)
  release_token(a.token, a.job)
  if a.balance then write_balance(a.token, a.balance) end
  if a.learned then
    learn(a.kind, a.learned)
    local too_few = call('HGET', key.message_costs(), a.kind .. ':too few')
    if too_few and tonumber(too_few) >= a.learned then call('HDEL', key.message_costs(), a.kind .. ':too few') end
  end
  return {others = call('HLEN', key.token_reservations(a.token))}
end)
