-- What the scripts share. Every script reads its arguments as one msgpack map in ARGV[1]: `a`.
-- Checks come before the first write in every script: Redis does not roll back.
local a = cmsgpack.unpack(ARGV[1])
local call = redis.call

-- One host's time for all: a lease is written by one and judged by another. A test says what time it is.
if not a.now_ms then
  local seconds_and_us = call('TIME')
  a.now_ms = seconds_and_us[1] * 1000 + math.floor(seconds_and_us[2] / 1000)
end

-- A doorbell for arq: constant bytes, since arq hands over the id by itself.
local function ring_bell(id, at_ms, bell)
  call('SET', K.arq_job(id), bell)
  call('ZADD', K.arq_queue(), at_ms, id)
end

local function forget_bell(id)
  call('ZREM', K.arq_queue(), id)
  call('DEL', K.arq_job(id), K.arq_in_progress(id), K.arq_retry(id))
end

local function bell_of(id)
  if string.sub(id, 1, 4) == 'dlv_' then return a.delivery_bell end
  return a.job_bell
end

local function take_lease(id, owner, until_ms, record_key)
  call('HSET', record_key, 'owner', owner)
  call('ZADD', K.leases(), until_ms, id)
  call('ZADD', K.arq_queue(), until_ms, id)
  call('SET', K.arq_in_progress(id), owner, 'PX', math.max(1, until_ms - a.now_ms))
end

-- Give the work back: arq starts it again at `at_ms`. The bell is hung up anew, in case arq has lost it meanwhile.
local function put_back(id, at_ms, record_key)
  call('HSET', record_key, 'owner', '')
  call('ZREM', K.leases(), id)
  ring_bell(id, at_ms, bell_of(id))
  call('DEL', K.arq_in_progress(id), K.arq_retry(id))
end

local function process_of(owner)
  return string.match(owner, '^(.*):[^:]*$') or owner
end

-- Whoever let a lease run out is suspected to have died of the work: 'suspects' holds "owner@ms" of each, 'crashes'
-- their number.
local function suspect(key, owner)
  local suspects = call('HGET', key, 'suspects') or ''
  call('HSET', key, 'suspects', suspects .. owner .. '@' .. string.format('%.0f', a.now_ms) .. '\n')
  call('HINCRBY', key, 'crashes', 1)
end

-- A starved process that comes back was not killed. `lives(owner, since_ms)` tells which of the suspected are alive.
local function clear_those_alive(key, lives)
  local suspects = call('HGET', key, 'suspects')
  if not suspects then return end
  local left, cleared = '', 0
  for owner, since_ms in string.gmatch(suspects, '([^\n]*)@(%d+)\n') do
    if lives(owner, tonumber(since_ms)) then
      cleared = cleared + 1
    else
      left = left .. owner .. '@' .. since_ms .. '\n'
    end
  end
  if cleared > 0 then
    call('HSET', key, 'suspects', left)
    call('HINCRBY', key, 'crashes', -cleared)
  end
end

-- Whoever hears that it has lost the work lives.
local function clear_suspicion(key, owner)
  clear_those_alive(key, function(suspected) return process_of(suspected) == process_of(owner) end)
end

local function forget_crashes(key)
  call('HSET', key, 'crashes', 0)
  call('HDEL', key, 'suspects')
end

local function record_key_of(id)
  if string.sub(id, 1, 4) == 'dlv_' then return K.delivery(id) end
  return K.job(id)
end

-- Make an event id that only grows within its tenant: a UUIDv7 of the time and a counter, so that it is also
-- the id of the stream entry. `random` is '8xxx-xxxxxxxxxxxx'.
local function next_event(tenant, random)
  local last = call('GET', K.event_clock(tenant))
  local ms, seq = a.now_ms, 0
  if last then
    local last_ms, last_seq = string.match(last, '(%d+)-(%d+)')
    last_ms, last_seq = tonumber(last_ms), tonumber(last_seq)
    if last_ms >= ms then
      ms, seq = last_ms, last_seq + 1
      if seq > 4095 then ms, seq = ms + 1, 0 end
    end
  end
  local stream_id = string.format('%.0f-%.0f', ms, seq)
  call('SET', K.event_clock(tenant), stream_id)
  local high, low = math.floor(ms / 65536), ms % 65536
  return stream_id, string.format('evt_%08x-%04x-7%03x-%s', high, low, seq, random)
end

-- Tell a job's readers, and for the types that callers can subscribe to also the tenant's feed.
local function emit(event)
  local stream_id, event_id = next_event(event.tenant, event.random)
  if event.job then
    call('XADD', K.events(event.job), 'MAXLEN', '~', 500, stream_id, 'id', event_id, 'type', event.type,
      'body', event.body)
  end
  if event.feed then
    local oldest_ms = string.format('%.0f', a.now_ms - 14 * 86400000)
    call('XADD', K.feed(event.tenant), 'MINID', '~', oldest_ms, stream_id, 'id', event_id, 'type', event.type,
      'body', event.body)
  end
  if event.job then call('PUBLISH', EVENTS_CHANNEL, event.job) end
  return event_id
end

-- Write a callback beside its job: the same commit, so that neither is without the other.
local function write_delivery(d, event_id)
  call('HSET', K.delivery(d.id), 'rec', d.rec, 'event', event_id, 'owner', '', 'status', 'pending', 'tenant', d.tenant)
  call('ZADD', K.deliveries(d.tenant, 'pending'), 0, d.id)
  call('ZADD', K.job_deliveries(d.job), 0, d.id)
  ring_bell(d.id, a.now_ms, a.delivery_bell)
end

local function emit_all(events)
  for _, event in ipairs(events) do
    local event_id = emit(event)
    for _, delivery in ipairs(event.deliveries) do write_delivery(delivery, event_id) end
  end
end

local function line_up(tenant, id, rank)
  call('ZADD', K.backlog(tenant), rank, id)
  call('ZADD', K.tenant_ring(), 'NX', call('INCR', K.tenant_turn()), tenant)
end

local function capacity()
  local sum, workers = 0, call('HGETALL', K.workers())
  for i = 1, #workers, 2 do
    local until_ms, slots = string.match(workers[i + 1], '(%d+):(%d+)')
    if tonumber(until_ms) > a.now_ms then sum = sum + tonumber(slots) else call('HDEL', K.workers(), workers[i]) end
  end
  return sum
end

-- One turn per tenant, round the ring, while there is room. A tenant at its cap leaves the ring; the end of one of
-- its jobs brings it back.
local function admit(most)
  local room = math.min(most, capacity() - call('ZCARD', K.admitted()))
  while room > 0 do
    local tenant = call('ZPOPMIN', K.tenant_ring())[1]
    if not tenant then return end
    if call('SCARD', K.running(tenant)) < a.tenant_running_jobs then
      local id = call('ZPOPMIN', K.backlog(tenant))[1]
      if id then
        call('ZADD', K.admitted(), a.now_ms, id)
        call('SADD', K.running(tenant), id)
        ring_bell(id, a.now_ms, a.job_bell)
        room = room - 1
      end
      if call('ZCARD', K.backlog(tenant)) > 0 then
        call('ZADD', K.tenant_ring(), 'NX', call('INCR', K.tenant_turn()), tenant)
      end
    end
  end
end

-- What a job might have spent this month is no longer promised: it has ended, or it promises anew.
local function keep_no_promise(id, tenant)
  local promised = call('HMGET', K.job(id), 'promised', 'promised_month')
  if promised[1] then
    call('HINCRBYFLOAT', K.usage(tenant, promised[2]), 'promised', -tonumber(promised[1]))
    call('HDEL', K.job(id), 'promised', 'promised_month')
  end
end

-- Everything that the end of a job frees: its place, its session's next, its tenant's turn, its share of the budget.
local function free_job(id, tenant, session)
  keep_no_promise(id, tenant)
  forget_bell(id)
  call('ZREM', K.leases(), id)
  call('ZREM', K.admitted(), id)
  call('SREM', K.running(tenant), id)
  call('ZREM', K.backlog(tenant), id)
  call('ZREM', K.queued(tenant), id)
  call('ZREM', K.queued_all(), id)
  local was_first = call('LINDEX', K.session_queue(session), 0) == id
  call('LREM', K.session_queue(session), 1, id)
  local next_id = call('LINDEX', K.session_queue(session), 0)
  if was_first and next_id then line_up(tenant, next_id, call('HGET', K.job(next_id), 'rank')) end
  if call('ZCARD', K.backlog(tenant)) > 0 then call('ZADD', K.tenant_ring(), 'NX', call('INCR', K.tenant_turn()), tenant) end
end

-- A message is about to be sent on a token: `sending` is {token, cost}.
local function note_sending(sending, job)
  if call('EXISTS', K.token(sending.token)) == 0 then return end
  call('HSET', K.token_sent(sending.token), job, string.format('%.0f:%.0f', sending.cost, a.now_ms))
  call('HINCRBY', K.token(sending.token), 'sends', 1)
end

local function release_reserve(token, job)
  call('HDEL', K.token_sent(token), job)
  local held = call('HGET', K.token_reservations(token), job)
  if held then
    call('HDEL', K.token_reservations(token), job)
    call('HINCRBY', K.token(token), 'reserved', -tonumber(held))
  end
  if call('HGET', K.job(job), 'reserved_on') == token then call('HDEL', K.job(job), 'reserved_on') end
end

-- A session that takes no more jobs, or was made for one alone, goes with the last of its jobs.
local function drop_session_if_over(session)
  if call('ZCARD', K.session_jobs(session)) > 0 then return end
  local found = call('HMGET', K.session(session), 'rec', 'closed')
  if found[1] and (found[2] or cmsgpack.unpack(found[1]).implicit) then call('DEL', K.session(session)) end
end

-- Write down how a batch's job ended, once; the last end completes the batch and tells of it, in the same commit.
-- `batch` is {id, now, now_ms, random}: its id, the time as callers read it and in ms, and the tail of the event's id.
local function end_in_batch(batch, job, status)
  local key = K.batch(batch.id)
  if call('EXISTS', key) == 0 or call('HSETNX', key, 'end:' .. job, status) == 0 then return end
  if call('HINCRBY', key, 'left', -1) > 0 then return end
  call('HSET', key, 'finished_at_ms', string.format('%.0f', batch.now_ms))
  call('PEXPIRE', key, 30 * 86400000)
  local found = call('HMGET', key, 'tenant', 'jobs', 'created_at', 'delivery', 'delivery_id')
  local rows, counts, kinds = {}, {}, {}
  for id in string.gmatch(found[2], '%S+') do
    local ended = call('HGET', key, 'end:' .. id)
    counts[ended] = (counts[ended] or 0) + 1
    table.insert(rows, '{"id":"' .. id .. '","status":"' .. ended .. '"}')
  end
  for _, kind in ipairs({'succeeded', 'failed', 'canceled', 'expired'}) do
    table.insert(kinds, '"' .. kind .. '":' .. (counts[kind] or 0))
  end
  local body = '{"type":"batch.completed","timestamp":"' .. batch.now .. '","data":{"batch":{"id":"' .. batch.id ..
    '","status":"completed","jobs":[' .. table.concat(rows, ',') .. '],"counts":{' .. table.concat(kinds, ',') ..
    '},"created_at":"' .. found[3] .. '","finished_at":"' .. batch.now .. '"}}}'
  local event_id = emit({type = 'batch.completed', tenant = found[1], body = body, feed = true, random = batch.random})
  if found[4] then
    write_delivery({id = found[5], rec = found[4], tenant = found[1], job = batch.id}, event_id)
  end
end
