-- Take no more jobs into a session; those that are in it go on.
call('ZREM', K.sessions(a.tenant), a.session)
if call('EXISTS', K.session(a.session)) == 1 then call('HSET', K.session(a.session), 'closed', '1') end
drop_session_if_over(a.session)
return 1
