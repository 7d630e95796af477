-- Remove an ended job with all its traces, and its session where that is over too. A Redis that is full allows it.
-- Arguments: id.
operation('forget_job', function(a)
  local job = key.job(a.id)
  local found = read_fields(job, 'tenant', 'status', 'profile', 'session')
  call('ZREM', key.retire(), a.id)
  call('DEL', job, key.events(a.id), key.job_deliveries(a.id))
  call('PUBLISH', channel.removals, a.id)
  if not found.tenant then return {} end
  call('ZREM', key.jobs(found.tenant), a.id)
  call('ZREM', key.jobs_status(found.tenant, found.status), a.id)
  call('ZREM', key.jobs_profile(found.tenant, found.profile), a.id)
  call('ZREM', key.session_jobs(found.session), a.id)
  delete_session_if_over(found.session)
  return {}
end, {'allow-oom'})
