-- Take no more jobs into a session; those that are in it go on. A Redis that is full allows it.
-- Arguments: session, tenant.
operation('close_session', function(a)
  call('ZREM', key.sessions(a.tenant), a.session)
  if call('EXISTS', key.session(a.session)) == 1 then call('HSET', key.session(a.session), 'closed', '1') end
  delete_session_if_over(a.session)
  return {}
end, {'allow-oom'})
