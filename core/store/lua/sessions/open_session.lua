-- Write an explicit session, unless its tenant has as many as it may have. It goes when nobody has used it for long.
-- Arguments: session, tenant, record, most, idle_ms, idempotency (see `answers`).
-- Results: outcome opened, too_many (the tenant has them), reused, or replayed with answer (absent: the call is under way).
operation('open_session', function(a)
  local before = answers.find(a)
  if before then return {outcome = before.outcome, answer = before.answer} end
  if call('ZCARD', key.sessions(a.tenant)) >= a.most then return {outcome = 'too_many'} end
  call('HSET', key.session(a.session), 'rec', a.record, 'tenant', a.tenant, 'fmt', written_fmt)
  call('ZADD', key.sessions(a.tenant), 0, a.session)
  call('ZADD', key.idle_sessions(), now_ms + a.idle_ms, a.session)
  answers.write(a, {})
  return {outcome = 'opened'}
end)
