-- Release a job's reservation on a token, with the balance where one was read, and what such a message has cost.
-- Arguments: token, job, balance {available, frozen}, kind, learned (credits), learned_at (the messages that were ever sent on
-- the token, where `learned` holds for no other number).
-- Results: others, how many jobs still hold it; sends (messages that were ever sent on it; absent: another job's is being
-- worked on, or the token was removed).
operation('settle_token', function(a)
  local sends = sends_if_alone(a.token, a.job)
  if a.balance then
    free_token(a.token, a.job)
    write_balance(a.token, a.balance)
  else
    release_token(a.token, a.job)
  end
  if a.learned and (not a.learned_at or a.learned_at == sends) then
    learn(a.kind, a.learned)
    local too_few = call('HGET', key.message_costs(), a.kind .. ':too few')
    if too_few and tonumber(too_few) >= a.learned then call('HDEL', key.message_costs(), a.kind .. ':too few') end
  end
  return {others = call('HLEN', key.token_reservations(a.token)), sends = sends}
end)
