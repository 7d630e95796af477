-- Remove an ended job with all its traces, and its session where that is over too.
local key = K.job(a.id)
local found = call('HMGET', key, 'tenant', 'status', 'profile', 'session')
call('ZREM', K.retire(), a.id)
call('DEL', key, K.events(a.id), K.job_deliveries(a.id))
call('PUBLISH', REMOVALS_CHANNEL, a.id)
if not found[1] then return 0 end
call('ZREM', K.jobs(found[1]), a.id)
call('ZREM', K.jobs_status(found[1], found[2]), a.id)
call('ZREM', K.jobs_profile(found[1], found[3]), a.id)
call('ZREM', K.session_jobs(found[4]), a.id)
drop_session_if_over(found[4])
return 1
