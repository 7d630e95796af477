-- Let the jobs of a tenant, or of everybody, begin again, at once where there is room. A tenant that is paused by itself
-- stays so when everybody is resumed.
-- Arguments: who (a tenant, or EVERYBODY), most (jobs that are let in now), tenant_running_jobs, audit.
-- Results: changed; absent: there was no such pause.
-- A Redis that is full allows it, as it does a pause.
operation('resume', function(a)
  local changed = call('HEXISTS', key.paused(), a.who) == 1
  write_audit(a.audit, changed and 'done' or 'unchanged')
  if not changed then return {} end
  call('HDEL', key.paused(), a.who)
  asked.any_paused = nil
  local tenant = a.who ~= EVERYBODY and a.who or nil
  if tenant then join_ring_if_backlog(tenant) end
  admit_jobs(a.most, a.tenant_running_jobs)
  return {changed = true}
end, {'allow-oom'})
