-- Close a session that nobody has used for long; one that has jobs to do is looked at again later, and one that was used since
-- it was found keeps its time.
-- Arguments: session, idle_ms. A Redis that is full allows it.
operation('close_idle_session', function(a)
  if tonumber(call('ZSCORE', key.idle_sessions(), a.session) or '-inf') > now_ms then return {} end
  if call('LLEN', key.session_queue(a.session)) > 0 then
    call('ZADD', key.idle_sessions(), now_ms + a.idle_ms, a.session)
    return {}
  end
  local tenant = call('HGET', key.session(a.session), 'tenant')
  call('ZREM', key.idle_sessions(), a.session)
  if tenant then close_session(a.session, tenant) end
  return {}
end, {'allow-oom'})
