-- Write an explicit session, unless its tenant has as many as it may have. It goes when nobody has used it for long.
-- Arguments: session, tenant, record, most, idle_ms.
-- Results: opened; absent: the tenant has too many.
operation('open_session', function(a)
  if call('ZCARD', key.sessions(a.tenant)) >= a.most then return {} end
  call('HSET', key.session(a.session), 'rec', a.record, 'tenant', a.tenant, 'fmt', written_fmt)
  call('ZADD', key.sessions(a.tenant), 0, a.session)
  call('ZADD', key.idle_sessions(), now_ms + a.idle_ms, a.session)
  return {opened = true}
end)
