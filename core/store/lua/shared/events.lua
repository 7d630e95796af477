-- Events, and the deliveries that are written beside them: the same commit, so that neither is without the other.

local next_event_id
do
  local function parts_of(stream_id)
    local ms, seq = string.match(stream_id or '', '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(seq)
  end

  -- The last id that a stream has given, also to what has left it; absent where there is no stream.
  local function last_id_in(stream)
    if call('EXISTS', stream) == 0 then return nil end
    local facts = call('XINFO', 'STREAM', stream)
    for i = 1, #facts, 2 do
      if facts[i] == 'last-generated-id' then return facts[i + 1] end
    end
  end

  -- Where the clock is gone, the streams that an event goes into say what comes after them. They would take no smaller id,
  -- and what has been written by then would stay without its event.
  local function last_in_streams(tenant, job)
    local ms, seq = parts_of(last_id_in(key.feed(tenant)))
    local job_ms, job_seq = parts_of(job and last_id_in(key.events(job)))
    if job_ms and (not ms or job_ms > ms or (job_ms == ms and job_seq > seq)) then return job_ms, job_seq end
    return ms, seq
  end

  -- Make an event id that only grows within its tenant: a UUIDv7 of the time and a counter, so that it is also the id of
  -- the stream entry. Its `id_prefix` is 'evt_', in a cell 'evt_eu1_'; `random` is '8xxx-xxxxxxxxxxxx'. Third comes the time
  -- of the tenant's last event before, by its clock; absent where there was none for long.
  function next_event_id(event)
    local ms, seq = now_ms, 0
    local clock_ms, clock_seq = parts_of(call('GET', key.event_clock(event.tenant)))
    local last_ms, last_seq = clock_ms, clock_seq
    if not clock_ms then last_ms, last_seq = last_in_streams(event.tenant, event.job) end
    if last_ms and last_ms >= ms then
      ms, seq = last_ms, last_seq + 1
      if seq > 4095 then ms, seq = ms + 1, 0 end
    end
    local stream_id = string.format('%.0f-%.0f', ms, seq)
    call('SET', key.event_clock(event.tenant), stream_id, 'KEEPTTL')
    local high, low = math.floor(ms / 65536), ms % 65536
    return stream_id, string.format('%s%08x-%04x-7%03x-%s', event.id_prefix, high, low, seq, event.random), clock_ms
  end
end

-- A feed and its clock are kept from its tenant's last event on; in the same hour it is not said anew.
local function keep_feed(tenant, last_ms)
  if last_ms and math.floor(last_ms / HOUR_MS) == math.floor(now_ms / HOUR_MS) then return end
  call('PEXPIRE', key.feed(tenant), FEED_LIFE_MS + HOUR_MS)
  call('PEXPIRE', key.event_clock(tenant), FEED_LIFE_MS + HOUR_MS)
end

-- The id of an event's stream entry, as `next_event_id` wrote it into its id; absent for what is no such id.
local function stream_id_of(event_id)
  local high, low, seq = string.match(event_id or '', '_(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-7(%x%x%x)%-%x%x%x%x%-%x+$')
  return high and string.format('%.0f-%.0f', tonumber(high, 16) * 65536 + tonumber(low, 16), tonumber(seq, 16))
end

-- An event as it was committed, {id, type, body}, from its tenant's feed, or from its job's events, which have some that
-- are in no feed, or have left it. Empty where neither has it.
local function read_event(event_id, tenant, job)
  local at, event = stream_id_of(event_id), {}
  local entry = at and call('XRANGE', key.feed(tenant), at, at)[1]
  if at and job and not entry then entry = call('XRANGE', key.events(job), at, at)[1] end
  local fields = entry and entry[2] or {}
  for i = 1, #fields, 2 do event[fields[i]] = fields[i + 1] end
  return event
end

-- Tell a job's readers, and for the types that callers can subscribe to also the tenant's feed.
local emit_event
do
  -- Whether both streams take it. Of one that does not, since the clock is behind it, the other keeps nothing.
  local function add_to_streams(event, stream_id, event_id)
    local entry, added = {stream_id, 'id', event_id, 'type', event.type, 'body', event.body}, nil
    if event.job and event.type == 'job.queued' then
      added = redis.pcall('XADD', key.events(event.job), unpack(entry))  -- it is the first: there is nothing to cut
    elseif event.job then
      added = redis.pcall('XADD', key.events(event.job), 'MAXLEN', '~', EVENTS_PER_JOB, unpack(entry))
    end
    if type(added) == 'table' then return false end
    if not event.in_feed then return true end
    -- it is cut each time: once in a while is more at once than Redis cuts, which is ten thousand, or than others can wait for
    added = redis.pcall('XADD', key.feed(event.tenant), 'MINID', '~', now_ms - FEED_LIFE_MS, unpack(entry))
    if type(added) ~= 'table' then return true end
    if event.job then call('XDEL', key.events(event.job), stream_id) end
  end

  local function add_event(event)
    local stream_id, event_id, last_ms = next_event_id(event)
    if add_to_streams(event, stream_id, event_id) then return event_id, last_ms end
    call('DEL', key.event_clock(event.tenant))  -- the streams know better
    stream_id, event_id, last_ms = next_event_id(event)
    if not add_to_streams(event, stream_id, event_id) then error('no stream takes this event') end
    return event_id, last_ms
  end

  function emit_event(event)
    local event_id, last_ms = add_event(event)
    keep_feed(event.tenant, last_ms)
    -- nobody reads the events of a job yet that nobody knows of
    if event.job and event.type ~= 'job.queued' then call('PUBLISH', channel.events, event.job) end
    return event_id
  end
end

local function create_delivery(delivery, event_id)
  call('HSET', key.delivery(delivery.id), 'rec', delivery.record, 'event', event_id, 'owner', '', 'status', 'pending',
    'tenant', delivery.tenant, 'fmt', written_fmt)
  call('ZADD', key.deliveries(delivery.tenant, 'pending'), 0, delivery.id)
  call('ZADD', key.job_deliveries(delivery.job), 0, delivery.id)
  show_delivery(delivery.id, nil, 'pending')
  enqueue_ahead(delivery.id)
end

local function emit(event)
  local event_id = emit_event(event)
  for _, delivery in ipairs(event.deliveries) do create_delivery(delivery, event_id) end
end
