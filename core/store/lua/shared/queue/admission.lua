-- Fair admission: each tenant has a backlog; tenants with one stand in a ring, in the order of the turn numbers that they
-- were given last; the one in front lets in one job and goes to the back.

-- A tenant that stands in the ring keeps the turn that it has. Whoever calls this has changed what waits, or why: a tenant that
-- has a job less at work is not at its cap any more. asked.new_in_ring: one did not stand there yet.
local function join_ring(tenant)
  note_backlog(tenant)
  asked.waiting = true
  if call('ZSCORE', key.tenant_ring(), tenant) then return end
  asked.new_in_ring = true
  call('ZADD', key.tenant_ring(), call('INCR', key.tenant_turn()), tenant)
end

local function join_ring_if_backlog(tenant)
  if call('ZCARD', key.backlog(tenant)) > 0 then join_ring(tenant) end
end

local function join_backlog(tenant, id, rank)
  call('ZADD', key.backlog(tenant), rank, id)
  join_ring(tenant)
end

-- Take a job out of the queue, whoever holds it, and free its place among those that were let in.
local function leave_queue(tenant, id)
  dequeue(id)
  call('ZREM', key.leases(), id)
  call('ZREM', key.admitted(), id)
  call('SREM', key.running(tenant), id)
end

-- How many jobs all living workers can hold, and how many workers these are; those that have died are forgotten, and so is
-- what is no worker's word.
local function capacity()
  local slots, living, workers = 0, 0, call('HGETALL', key.workers())
  for i = 1, #workers, 2 do
    local until_ms, own_slots = string.match(workers[i + 1], '(%d+):(%d+)')
    if until_ms and tonumber(until_ms) > now_ms then
      slots, living = slots + tonumber(own_slots), living + 1
    else
      call('HDEL', key.workers(), workers[i])
    end
  end
  return slots, living
end

-- Where no tenant waits, which one command tells, nobody has to know how many there is room for. asked.waiting: one does.
local function room_for(most)
  if not asked.waiting and call('EXISTS', key.tenant_ring()) == 0 then return 0 end
  return math.min(most, (capacity()) - call('ZCARD', key.admitted()))
end

-- One turn for each tenant, round the ring, while there is room for `most`. A tenant at its cap leaves the ring; the end
-- of one of its jobs brings it back. So does one that is paused, whom its resumption brings back; while everybody is,
-- the ring stays as it is.
local function admit_jobs(most, tenant_running_jobs)
  local room = room_for(most)
  while room > 0 do
    local tenant, turn = unpack(call('ZPOPMIN', key.tenant_ring()))
    if not tenant then break end
    if is_everybody_paused() then
      call('ZADD', key.tenant_ring(), turn, tenant)
      break
    end
    note_backlog(tenant)
    if not is_tenant_paused(tenant) and call('SCARD', key.running(tenant)) < tenant_running_jobs then
      local id = call('ZPOPMIN', key.backlog(tenant))[1]
      if id then
        call('ZADD', key.admitted(), now_ms, id)
        call('SADD', key.running(tenant), id)
        enqueue_ahead(id)
        room = room - 1
      end
      join_ring_if_backlog(tenant)
    end
  end
end
