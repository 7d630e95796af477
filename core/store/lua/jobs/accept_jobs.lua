-- Accept jobs (one, or a batch's): rate, caps, idempotency, records, indexes, events, backlogs, in one step.
--
-- Arguments: tenant, jobs; key_id (absent: an operator submits, whom no key's limits bind),
-- audit (of an operator); the limits submits_per_minute, tenant_queued_jobs, tenant_running_jobs, queue_limit,
-- session_idle_ms; and where there are any: idempotency {key_hash, body_hash, answer, life_ms}, batch {id, record, jobs,
-- created_at, delivery {id, record}, wanted, oldest}, remembered {webhook}, pace (`queue_position`).
-- A job is {id, record, session, session_record, profile, rank, start_by_ms, uploads, uploads_until_ms, event}; of the
-- event's body it has what stands before why the job waits, and in after_wait what stands behind it.
--
-- Results: outcome, and
--   accepted: used (submits in this window), reset_ms (till its end), waits (why each job waits, as JSON)
--   replayed: answer, stored_waits (as they stand in its hash)
--   rate: reset_ms
--   no_upload: upload, one that a job names and that is gone, or going
--   no_session: session, one that a job names and that is closed
--   reused, queue_full, overloaded: no more
--   revoked, webhook: what the caller remembered of the key, or of the tenant's webhook, holds no longer

-- As `core.model.job_view.WaitView` has it; each %s is JSON already.
local WAIT = '{"reason":%s,"behind":%s,"position":%s,"eta_p50_s":%s,"eta_p90_s":%s}'

local function wait_json(found)
  local waits_for = found.at_cap and 'tenant_cap' or 'queued_behind'
  if found.behind then waits_for = 'session_busy' end
  return string.format(WAIT, json_string(found.paused and 'paused' or waits_for), json_string(found.behind),
    json_number(found.position), json_number(found.eta_p50_s, '%.1f'), json_number(found.eta_p90_s, '%.1f'))
end

local function over_limit(a, used)
  local count = #a.jobs
  if a.key_id and used + count > a.submits_per_minute then
    return {outcome = 'rate', reset_ms = math.max(0, call('PTTL', key.rate(a.key_id)))}
  end
  if call('ZCARD', key.queued(a.tenant)) + count > a.tenant_queued_jobs then return {outcome = 'queue_full'} end
  if call('ZCARD', key.queued_all()) + count > a.queue_limit then return {outcome = 'overloaded'} end
end

local function session_missing(a)
  local created = {}
  for _, job in ipairs(a.jobs) do
    if job.session_record then
      created[job.session] = true
    elseif not created[job.session] then
      local session = read_fields(key.session(job.session), 'tenant', 'closed')
      if session.tenant ~= a.tenant or session.closed then return {outcome = 'no_session', session = job.session} end
    end
  end
end

-- Whoever removes an upload withdraws it before its bytes go: one that was looked up may be gone by now.
local function upload_missing(a)
  for _, job in ipairs(a.jobs) do
    for _, upload in ipairs(job.uploads) do
      local found = read_fields(key.upload(upload), 'rec', 'expected', 'withdrawn')
      if not found.rec or found.expected or found.withdrawn then return {outcome = 'no_upload', upload = upload} end
    end
  end
end

local function webhook_changed(a)
  if not a.remembered then return nil end
  local webhook = call('HGET', key.tenant(a.tenant), 'webhook') or ''
  return webhook ~= a.remembered.webhook and {outcome = 'webhook'}
end

local function write_job(a, job)
  if job.session_record then
    call('HSET', key.session(job.session), 'rec', job.session_record, 'tenant', a.tenant, 'fmt', written_fmt)
  end
  call('HSET', key.job(job.id), 'rec', job.record, 'ver', 1, 'status', 'queued', 'owner', '', 'tenant', a.tenant,
    'session', job.session, 'profile', job.profile, 'rank', job.rank, 'fmt', written_fmt,
    unpack(a.idempotency and {'answered', a.idempotency.key_hash} or {}))
  call('ZADD', key.jobs(a.tenant), 0, job.id)
  call('ZADD', key.jobs_status(a.tenant, 'queued'), 0, job.id)
  call('ZADD', key.jobs_profile(a.tenant, job.profile), 0, job.id)
  call('ZADD', key.session_jobs(job.session), 0, job.id)
  if not job.session_record then use_session(job.session, a.tenant, a.session_idle_ms) end
  call('ZADD', key.queued(a.tenant), now_ms, job.id)
  call('ZADD', key.queued_all(), job.start_by_ms, job.id)
  call('ZADD', key.queued_since(), now_ms, job.id)
  for _, upload in ipairs(job.uploads) do call('ZADD', key.uploads(), 'XX', 'GT', job.uploads_until_ms, upload) end
end

-- Give a job its place, and tell of it with that place.
local function queue_job(a, job)
  local nth = call('RPUSH', key.session_queue(job.session), job.id)
  if nth == 1 then join_backlog(a.tenant, job.id, job.rank, 'queued') end
  local waiting = {id = job.id, tenant = a.tenant, session = job.session}
  local wait = wait_json(queue_position(waiting, nth, a.tenant_running_jobs, a.pace))
  job.event.body = job.event.body .. wait .. job.event.after_wait
  emit(job.event)
  return wait
end

local function write_batch(batch, tenant, count)
  call('HSET', key.batch(batch.id), 'rec', batch.record, 'tenant', tenant, 'jobs', batch.jobs, 'left', count,
    'created_at', batch.created_at, 'fmt', written_fmt)
  if batch.wanted then
    call('HSET', key.batch(batch.id), 'delivery', batch.delivery.record, 'delivery_id', batch.delivery.id)
  else
    call('HSET', key.batch(batch.id), 'unwanted_delivery', batch.delivery.record)
  end
  local listed = key.batches(tenant)
  call('ZREMRANGEBYLEX', listed, '-', '(' .. batch.oldest)
  call('ZADD', listed, 0, batch.id)
  call('PEXPIRE', listed, BATCH_LISTED_MS)
end

-- Whether the API key that the caller remembers was revoked; and, in the same command, whether anybody is paused: a key
-- counts as often as it is named.
local function is_revoked(a)
  if not a.remembered or not a.key_id then return false end
  local api_key = key.api_key_hash(a.key_id)
  local found = call('EXISTS', key.paused(), api_key, api_key)
  asked.any_paused = found % 2 == 1
  return found < 2
end

local function count_submits(a, used)
  if not a.key_id then return end
  if used == 0 then
    call('SET', key.rate(a.key_id), #a.jobs, 'PX', RATE_WINDOW_MS)
  else
    call('INCRBY', key.rate(a.key_id), #a.jobs)
  end
end

operation('accept_jobs', function(a)
  if is_revoked(a) then return {outcome = 'revoked'} end
  local replayed = answers.find(a)
  if replayed then return replayed end
  local used = a.key_id and tonumber(call('GET', key.rate(a.key_id)) or '0') or 0
  local refused = over_limit(a, used) or session_missing(a) or upload_missing(a) or webhook_changed(a)
  if refused then return refused end

  write_audit(a.audit, 'done')
  count_submits(a, used)
  local waits = {}
  for _, job in ipairs(a.jobs) do
    write_job(a, job)
    table.insert(waits, queue_job(a, job))
  end
  if a.batch then write_batch(a.batch, a.tenant, #a.jobs) end
  answers.write(a, waits)
  -- whoever makes room lets in whom it can: where this tenant waits already, there is none
  if asked.new_in_ring then admit_jobs(math.max(64, #a.jobs), a.tenant_running_jobs) end
  local reset_ms = a.key_id and call('PTTL', key.rate(a.key_id)) or 0
  return {outcome = 'accepted', used = used + #a.jobs, reset_ms = reset_ms, waits = waits}
end)
