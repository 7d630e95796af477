-- arq's queue: an id is due at its score, and arq finds under it what to call. Leases are written into the same score.
--
-- What somebody waits for goes ahead of all that has slept, however late that is: its score lies AHEAD_MS before the time at
-- which it came, which is before all times. For an older release it is due, and comes first there, too.

local function is_delivery(id)
  return string.sub(id, 1, 4) == 'dlv_'
end

local function record_key(id)
  return is_delivery(id) and key.delivery(id) or key.job(id)
end

-- Wake one of the workers that wait for work. One token is enough: whoever takes it looks at all that is due, and wakes
-- the next one where something is left. A job that it names is begun at once, beside the look.
local function wake_worker(id)
  if call('LLEN', key.wakeup()) == 0 then call('RPUSH', key.wakeup(), id or 1) end
end

local function enter_queue(id, score)
  call('SET', key.arq_job(id), is_delivery(id) and DELIVERY_ENTRY or JOB_ENTRY)
  call('ZADD', key.arq_queue(), score, id)
end

-- What is due later is found by workers' own looks.
local function enqueue(id, at_ms)
  enter_queue(id, at_ms)
  if at_ms < now_ms + IDLE_POLL_MS then wake_worker() end
end

local function enqueue_ahead(id)
  enter_queue(id, now_ms - AHEAD_MS)
  wake_worker(id)
end

-- Wake what sleeps in the queue. What is being handed out is left: whoever is to have it comes for it, and for nobody else would
-- it be there. It would stand before all else until the lease ends, where that one has died.
local function move_ahead(id)
  if call('EXISTS', key.arq_in_progress(id)) == 1 then return end
  if call('ZADD', key.arq_queue(), 'XX', 'CH', now_ms - AHEAD_MS, id) == 1 then wake_worker() end
end

local function dequeue(id)
  call('ZREM', key.arq_queue(), id)
  call('DEL', key.arq_job(id), key.arq_in_progress(id), key.arq_retry(id))
end

local function take_lease(id, owner, until_ms)
  call('HSET', record_key(id), 'owner', owner)
  call('ZADD', key.leases(), until_ms, id)
  call('ZADD', key.arq_queue(), until_ms, id)
  call('SET', key.arq_in_progress(id), owner, 'PX', math.max(1, until_ms - now_ms))
end

-- Let go: arq starts it again at `at_ms`, and where that is now, nobody has slept. The queue entry is written anew, in case
-- arq has lost it meanwhile.
local function release_lease(id, at_ms)
  call('HSET', record_key(id), 'owner', '')
  call('ZREM', key.leases(), id)
  if at_ms > now_ms then enqueue(id, at_ms) else enqueue_ahead(id) end
  call('DEL', key.arq_in_progress(id), key.arq_retry(id))
end
