-- Accept jobs (one, or a batch's): rate, caps, idempotency, records, indexes, events, turns, in one step.
-- Returns {word, ...}: 'replay' answer, 'reused', 'rate' ms, 'queue_full', 'overloaded', 'no_session', or 'ok' used ms.
-- 'revoked' and 'webhook' say that what the caller remembered of the key, or of the tenant's webhook, holds no longer.
local n = #a.jobs
if a.remembered and call('EXISTS', K.api_key_hash(a.key_id)) == 0 then return {'revoked'} end
if a.idempotency then
  local found = call('HMGET', K.idempotency(a.tenant, a.idempotency), 'body', 'answer')
  if found[1] then
    if found[1] == a.body_hash then return {'replay', found[2]} end
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
  if call('RPUSH', K.line(job.session), job.id) == 1 then line_up(a.tenant, job.id, job.rank) end
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
  call('HSET', K.idempotency(a.tenant, a.idempotency), 'body', a.body_hash, 'answer', a.answer)
  call('PEXPIRE', K.idempotency(a.tenant, a.idempotency), a.idempotency_ms)
end
admit(64)
return {'ok', used + n, call('PTTL', K.rate(a.key_id))}
