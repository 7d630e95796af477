-- Accept jobs (one, or a batch's): rate, caps, idempotency, records, indexes, events, turns, in one step.
-- Returns {word, ...}: 'replay' answer waits, 'reused', 'rate' ms, 'queue_full', 'overloaded', 'no_session', or
-- 'ok' used ms {wait, ...}.
-- 'revoked' and 'webhook' say that what the caller remembered of the key, or of the tenant's webhook, holds no longer.

-- Why a job waits, as callers read it (`core.model.job_view.WaitView`): its place in its session's line or among its tenant's
-- jobs, and an estimate as `service/jobs/eta.py` makes it later.
local function wait_of(job, in_line)
  local reason, behind, place, at_once = 'session_busy', 'null', in_line, 1
  if in_line > 1 then
    behind = '"' .. call('LINDEX', K.session_queue(job.session), -2) .. '"'
  else
    place, at_once = call('ZRANK', K.backlog(a.tenant), job.id) + 1, a.pace and a.pace.at_once
    reason = call('SCARD', K.running(a.tenant)) < a.tenant_running_jobs and 'queued_behind' or 'tenant_cap'
  end
  local p50, p90 = 'null', 'null'
  if a.pace then
    local before_s = math.floor((place - 1) / at_once) * a.pace.p50_s
    p50, p90 = string.format('%.1f', before_s + a.pace.p50_s), string.format('%.1f', before_s + a.pace.p90_s)
  end
  local shape = '{"reason":"%s","behind":%s,"position":%d,"eta_p50_s":%s,"eta_p90_s":%s}'
  return string.format(shape, reason, behind, place, p50, p90)
end

local function tell_place(events, wait)
  for _, event in ipairs(events) do
    local from, to = string.find(event.body, a.unplaced, 1, true)
    if from then event.body = string.sub(event.body, 1, from - 1) .. wait .. string.sub(event.body, to + 1) end
  end
end

local n = #a.jobs
if a.remembered and call('EXISTS', K.api_key_hash(a.key_id)) == 0 then return {'revoked'} end
if a.idempotency then
  local found = call('HMGET', K.idempotency(a.tenant, a.idempotency), 'body', 'answer', 'waits')
  if found[1] then
    if found[1] == a.body_hash then return {'replay', found[2], found[3]} end
    return {'reused'}
  end
end
local used = tonumber(call('GET', K.rate(a.key_id)) or '0')
if used + n > a.submits_per_minute then return {'rate', math.max(0, call('PTTL', K.rate(a.key_id)))} end
if call('ZCARD', K.queued(a.tenant)) + n > a.tenant_queued_jobs then return {'queue_full'} end
if call('ZCARD', K.queued_all()) + n > a.queue_limit then return {'overloaded'} end
local made = {}
for _, job in ipairs(a.jobs) do
  if job.session_rec then
    made[job.session] = true
  elseif not made[job.session] then
    local state = call('HMGET', K.session(job.session), 'tenant', 'closed')
    if state[1] ~= a.tenant or state[2] then return {'no_session'} end
  end
end

if a.remembered and (call('HGET', K.tenant(a.tenant), 'webhook') or '') ~= a.remembered.webhook then return {'webhook'} end

local waits = {}
if used == 0 then call('SET', K.rate(a.key_id), n, 'PX', 60000) else call('INCRBY', K.rate(a.key_id), n) end
for _, job in ipairs(a.jobs) do
  if job.session_rec then
    call('HSET', K.session(job.session), 'rec', job.session_rec, 'tenant', a.tenant)
  end
  call('HSET', K.job(job.id), 'rec', job.rec, 'ver', 1, 'status', 'queued', 'owner', '', 'tenant', a.tenant,
    'session', job.session, 'profile', job.profile, 'crashes', 0, 'rank', job.rank)
  if a.idempotency then call('HSET', K.job(job.id), 'answered', a.idempotency) end
  call('ZADD', K.jobs(a.tenant), 0, job.id)
  call('ZADD', K.jobs_status(a.tenant, 'queued'), 0, job.id)
  call('ZADD', K.jobs_profile(a.tenant, job.profile), 0, job.id)
  call('ZADD', K.session_jobs(job.session), 0, job.id)
  call('ZADD', K.queued(a.tenant), a.now_ms, job.id)
  call('ZADD', K.queued_all(), job.start_by_ms, job.id)
  for _, upload in ipairs(job.uploads) do
    call('ZADD', K.uploads(), 'XX', a.upload_until_ms, upload)
  end
  local in_line = call('RPUSH', K.session_queue(job.session), job.id)
  if in_line == 1 then line_up(a.tenant, job.id, job.rank) end
  local wait = wait_of(job, in_line)
  table.insert(waits, wait)
  tell_place(job.events, wait)
  emit_all(job.events)
end
if a.batch then
  call('HSET', K.batch(a.batch.id), 'rec', a.batch.rec, 'tenant', a.tenant, 'jobs', a.batch.jobs, 'left', n,
    'created_at', a.batch.created_at)
  if a.batch.delivery then
    call('HSET', K.batch(a.batch.id), 'delivery', a.batch.delivery, 'delivery_id', a.batch.delivery_id)
  end
end
if a.idempotency then
  call('HSET', K.idempotency(a.tenant, a.idempotency), 'body', a.body_hash, 'answer', a.answer,
    'waits', table.concat(waits, '\n'))
  call('PEXPIRE', K.idempotency(a.tenant, a.idempotency), a.idempotency_ms)
end
admit(64)
return {'ok', used + n, call('PTTL', K.rate(a.key_id)), waits}
