-- Release a job's reservation on a token, with the balance where one was read, and what such a message has cost.
-- Arguments: token, job, balance {available, frozen}, kind, learned (credits), learned_at (the messages that were ever sent on
-- the token, where `learned` holds for no other number).
-- Results: others, how many jobs still hold it; sends (messages that were ever sent on it; absent: another job's is being
-- worked on, or the token was removed).
operation('settle_token', function(a)
  local sends = sends_if_alone(a.token, a.job)
  if a.learned_at and a.learned_at ~= sends then a.learned = nil end
  settle_token(a, a.job)
  return {others = call('HLEN', key.token_reservations(a.token)), sends = sends}
end)
