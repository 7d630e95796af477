-- The end of a batch: counted down as its jobs end; the last end completes it and tells of it, in the same commit.

-- The body of the event `batch.completed`.
local function completed_json(batch, found, ends, outputs)
  local rows, counts = {}, {succeeded = 0, failed = 0, canceled = 0, expired = 0}
  for id in string.gmatch(found.jobs, '%S+') do
    counts[ends[id]] = (counts[ends[id]] or 0) + 1
    table.insert(rows, json_object(
      'id', json_string(id), 'status', json_string(ends[id]), 'output', json_string(outputs[id])
    ))
  end
  local now = json_string(batch.now)
  return json_object('type', json_string('batch.completed'), 'timestamp', now, 'data', json_object('batch', json_object(
    'id', json_string(batch.id),
    'status', json_string('completed'),
    'jobs', json_array(rows),
    'counts', json_object(
      'succeeded', json_number(counts.succeeded),
      'failed', json_number(counts.failed),
      'canceled', json_number(counts.canceled),
      'expired', json_number(counts.expired)
    ),
    'created_at', json_string(found.created_at),
    'finished_at', now
  )))
end

local function read_of_jobs(hash, field, jobs)
  local found = {}
  for id in string.gmatch(jobs, '%S+') do found[id] = call('HGET', hash, field .. id) or nil end
  return found
end

-- Whether there is somebody to tell: the batch's own URL, or the tenant's default as it is now. Of what cannot be read
-- whoever claims the callback says so.
local is_callback_wanted
do
  local function wants_batches(webhook)
    local events = packed_field(webhook, 'events') or {}
    local wanted = #events == 0
    for _, type in ipairs(events) do wanted = wanted or type == 'batch.completed' end
    return wanted and packed_field(webhook, 'state') ~= 'disabled'
  end

  function is_callback_wanted(record, tenant)
    local readable, url = pcall(packed_field, record, 'url')
    if not readable or url then return true end
    local webhook = call('HGET', key.tenant(tenant), 'webhook')
    if not webhook then return false end
    local understood, wanted = pcall(wants_batches, webhook)
    return wanted or not understood
  end
end

-- The callback of a batch, which its submit has prepared: it is made now, by its time and by its id, since lists and ranges
-- of deliveries go by these. The id is the event's, but for its kind. One that cannot be read must cost no job its end: whoever
-- claims it says so.
local function delivery_of_batch(batch, found, record, event_id)
  local id = 'dlv' .. string.sub(event_id, 4)
  local made = {id = cmsgpack.pack(id), created_at_ms = cmsgpack.pack(batch.now_ms)}
  local readable, edited = pcall(with_fields, record, made)
  return {id = id, record = readable and edited or record, tenant = found.tenant, job = batch.id}
end

-- Write down how a batch's job ended, once.
-- `batch` is {id, now, now_ms, id_prefix, random, output}: its id, the time as callers read it and in ms, how the event's id
-- begins and ends, and where the job's film is, if there is one.
local function end_in_batch(batch, job, status)
  local hash = key.batch(batch.id)
  if call('EXISTS', hash) == 0 or call('HSETNX', hash, 'end:' .. job, status) == 0 then return end
  if batch.output then call('HSET', hash, 'out:' .. job, batch.output) end
  if call('HINCRBY', hash, 'left', -1) > 0 then return end
  call('HSET', hash, 'finished_at_ms', integer(batch.now_ms))
  call('PEXPIRE', hash, BATCH_LIFE_MS)
  local found = read_fields(hash, 'tenant', 'jobs', 'created_at', 'delivery', 'unwanted_delivery')
  local body = completed_json(batch, found, read_of_jobs(hash, 'end:', found.jobs), read_of_jobs(hash, 'out:', found.jobs))
  local event_id = emit_event({type = 'batch.completed', tenant = found.tenant, body = body,
    in_feed = true, id_prefix = batch.id_prefix, random = batch.random})
  local record = found.delivery or found.unwanted_delivery
  if record and is_callback_wanted(record, found.tenant) then
    create_delivery(delivery_of_batch(batch, found, record, event_id), event_id)
  end
end
