-- Take no more jobs into a session; those that are in it go on. A Redis that is full allows it.
-- Arguments: session, tenant.
operation('close_session', function(a)
  close_session(a.session, a.tenant)
  return {}
end, {'allow-oom'})
