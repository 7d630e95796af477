-- Fair admission: each tenant has a backlog; tenants with one stand in a ring, in the order of the turn numbers that they
-- were given last; the one in front lets in one job and goes to the back.

-- Free the place of a job among those that were let in.
local function leave_place(tenant, id)
  call('ZREM', key.admitted(), id)
  call('ZREM', key.asleep(), id)
  call('SREM', key.running(tenant), id)
end

-- Take a job out of the queue, whoever holds it, and free its place.
local function leave_queue(tenant, id)
  dequeue(id)
  call('ZREM', key.leases(), id)
  leave_place(tenant, id)
end

-- While a job sleeps that waits for a token others may have its place; it stays let in, and one of its tenant's. It has its
-- place again from when it wakes, also where others have taken it: a job that has begun queues no more.
local function lend_place(id, until_ms)
  call('ZREMRANGEBYSCORE', key.asleep(), '-inf', now_ms)
  call('ZADD', key.asleep(), until_ms, id)
end

-- How many of those that were let in have a place now.
local function places_taken(admitted)
  return admitted > 0 and admitted - call('ZCOUNT', key.asleep(), '(' .. integer(now_ms), '+inf') or 0
end

-- How many jobs all living workers can hold, and how many workers these are: one that stops lives on for its streams, and
-- holds no more. Those that have died are forgotten, and so is what is no worker's word.
local function capacity()
  local slots, at_work, workers = 0, 0, call('HGETALL', key.workers())
  for i = 1, #workers, 2 do
    local until_ms, own_slots = string.match(workers[i + 1], '(%d+):(%d+)')
    if until_ms and tonumber(until_ms) > now_ms then
      slots = slots + tonumber(own_slots)
      if tonumber(own_slots) > 0 then at_work = at_work + 1 end
    else
      call('HDEL', key.workers(), workers[i])
    end
  end
  return slots, at_work
end

local join_ring_if_backlog, join_backlog, admit_jobs
do
  -- A tenant that stands in the ring keeps the turn that it has. Whoever calls this has changed what waits, or why: a tenant that
  -- has a job less at work is not at its cap any more. asked.new_in_ring: one did not stand there yet.
  local function join_ring(tenant)
    note_backlog(tenant)
    asked.waiting = true
    if call('ZSCORE', key.tenant_ring(), tenant) then return end
    asked.new_in_ring = true
    call('ZADD', key.tenant_ring(), call('INCR', key.tenant_turn()), tenant)
  end

  function join_ring_if_backlog(tenant)
    if call('ZCARD', key.backlog(tenant)) > 0 then join_ring(tenant) end
  end

  local function let_in(tenant, id)
    call('ZADD', key.admitted(), now_ms, id)
    call('SADD', key.running(tenant), id)
    enqueue_ahead(id)
  end

  -- What has begun queues no more, also where it has lost its place: no pause keeps it from its end, and no cap.
  function join_backlog(tenant, id, rank, status)
    if status ~= 'queued' then return let_in(tenant, id) end
    call('ZADD', key.backlog(tenant), rank, id)
    join_ring(tenant)
  end

  -- Where no tenant waits, which one command tells, nobody has to know how many there is room for. asked.waiting: one does.
  -- Those that sleep cost a look each, so that there are no more than some for each place. Beyond these there is one turn for
  -- each tenant that waits: how many that are is told, too.
  local function room_for(most)
    if not asked.waiting and call('EXISTS', key.tenant_ring()) == 0 then return 0 end
    local places, admitted = capacity(), call('ZCARD', key.admitted())
    local free = places - admitted
    if free < 1 then free = places - places_taken(admitted) end  -- whoever comes next gets what is lent
    local left = ADMITTED_PER_PLACE * places - admitted
    if left > 0 then return math.min(most, free, left) end
    return math.min(most, free), math.min(most, call('ZCARD', key.tenant_ring()))
  end

  local function has_sleeping(tenant)
    return call('ZINTERCARD', 2, key.running(tenant), key.asleep(), 'LIMIT', 1) == 1
  end

  -- One turn for each tenant, round the ring, while there is room for `most`. A tenant at its cap leaves the ring; the end
  -- of one of its jobs brings it back. So does one that is paused, whom its resumption brings back; while everybody is,
  -- the ring stays as it is. Where too many sleep, who has one asleep lets its turn pass: what it let in would sleep, too.
  function admit_jobs(most, tenant_running_jobs)
    local room, turns_left = room_for(most)
    while room > 0 and turns_left ~= 0 do
      local tenant, turn = unpack(call('ZPOPMIN', key.tenant_ring()))
      if not tenant then break end
      if is_everybody_paused() then
        call('ZADD', key.tenant_ring(), turn, tenant)
        break
      end
      note_backlog(tenant)
      if not is_tenant_paused(tenant) and call('SCARD', key.running(tenant)) < tenant_running_jobs then
        local id = not (turns_left and has_sleeping(tenant)) and call('ZPOPMIN', key.backlog(tenant))[1]
        if id then
          let_in(tenant, id)
          room = room - 1
        end
        join_ring_if_backlog(tenant)
      end
      turns_left = turns_left and turns_left - 1
    end
  end
end
