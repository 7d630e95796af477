-- Take a delivery for one attempt, for as long as the lease lasts, with all that an attempt needs.
-- Arguments: id, owner, lease_ms, only_if_due; asleep_until_ms: only if it still sleeps until then.
-- Results: unreadable_fmt (of what only another release reads: nothing was done), claimed (absent: it is over, or another
-- holds it), and then
--   record; left_behind: the holder before let its lease run out
--   webhook, secrets: the tenant's default, and what signs, encrypted
--   event_id, event_type, event_body (absent: nobody keeps it any more)
--   unwanted: why the URL that its job named gets nothing more of this job

-- Whose event it carries: of a record that cannot be read, nobody's.
local function job_of(record)
  local readable, job = pcall(packed_field, record, 'job_id')
  return readable and type(job) == 'string' and job
end

-- Whether it sleeps, and was put to sleep until then by the clock of whoever did so, which may not be Redis's.
local function sleeps_until(a, record)
  local readable, next_at_ms = pcall(packed_field, record, 'next_at_ms')
  return readable and next_at_ms == a.asleep_until_ms and not is_its_time(a.id)
end

operation('claim_delivery', function(a)
  local found = find_claimable(a, 'event')
  if not found or (a.only_if_due and not is_its_time(a.id)) then return {} end
  if a.asleep_until_ms and not sleeps_until(a, found.rec) then return {} end
  local tenant = read_fields(key.tenant(found.tenant), 'webhook', 'secrets', 'fmt')
  local unreadable_fmt = unreadable_format(found.fmt, tenant.fmt)
  if unreadable_fmt then return leave_to_another(a.id, unreadable_fmt) end
  local job = job_of(found.rec)
  local event = read_event(found.event, found.tenant, job)
  local unwanted = job and call('HGET', key.job(job), 'unwanted')
  take_lease(a.id, a.owner, now_ms + a.lease_ms)
  return {
    claimed = true,
    record = found.rec,
    left_behind = found.left_behind,
    webhook = tenant.webhook,
    secrets = tenant.secrets,
    event_id = found.event,
    event_type = event.type,
    event_body = event.body,
    unwanted = unwanted,
  }
end)
