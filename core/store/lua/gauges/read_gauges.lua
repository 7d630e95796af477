-- Read the gauges over all of Redis. One worker at a time counts them anew, as long as its lease lasts; the others read what
-- it has counted. It costs the same however many jobs, tenants, tokens and deliveries there are.
-- Arguments: worker, lease_ms, places (where a job that has started can be shown), tenant_running_jobs, some (how many of
-- each kind are looked at, to mend what a process of another version has not kept; 0: it is only counted).
-- Results: gauges, names and numbers in turn.

local function at_least_0(text)
  return math.max(0, sum_of(text))
end

local oldest_due_callback_ms
do
  local AT_ONCE, MOST = 1000, 10000

  local function first_callback(from, to)
    for seen = 0, MOST - AT_ONCE, AT_ONCE do
      local found = call('ZRANGEBYSCORE', key.arq_queue(), from, to, 'WITHSCORES', 'LIMIT', seen, AT_ONCE)
      for i = 1, #found, 2 do
        if is_delivery(found[i]) then return tonumber(found[i + 1]) end
      end
      if #found < 2 * AT_ONCE then return nil end
    end
  end

  -- Since when that callback is due which has waited longest for a worker to take it up; 0 where none waits. What is held has a
  -- score that lies ahead. Of what is due the first ten thousand are looked at, jobs among them: a fleet that has more takes up nothing.
  function oldest_due_callback_ms()
    local slept_ms, ahead = first_callback(0, now_ms), first_callback('-inf', '(0')
    local ahead_ms = ahead and ahead + AHEAD_MS
    return slept_ms and ahead_ms and math.min(slept_ms, ahead_ms) or slept_ms or ahead_ms or 0
  end
end

-- The oldest of a place are those that a process of another version has ended or forgotten.
local function drop_ended_jobs(place, some)
  for _, id in ipairs(call('ZRANGE', key.jobs_at(place), 0, some - 1)) do
    local found = read_fields(key.job(id), 'status', 'at')
    if not found.status or END_STATES[found.status] or found.at ~= place then
      call('ZREM', key.jobs_at(place), id)
    end
  end
end

-- Where nobody is at work, which one command tells, the places are not looked at one by one.
local function is_any_started(places)
  local names = {}
  for _, place in ipairs(places) do table.insert(names, key.jobs_at(place)) end
  return call('EXISTS', unpack(names)) > 0
end

local function count_started_jobs(a, gauges)
  local started, any = 0, is_any_started(a.places)
  for _, place in ipairs(a.places) do
    if any and a.some > 0 then drop_ended_jobs(place, a.some) end
    gauges[place] = any and call('ZCARD', key.jobs_at(place)) or 0
    started = started + gauges[place]
  end
  return started
end

-- After a flood of very many tenants some are counted the next time.
local function count_changed_backlogs(tenant_running_jobs)
  for _, tenant in ipairs(call('SPOP', key.backlogs_changed(), 1000)) do count_backlog(tenant, tenant_running_jobs) end
end

-- Those that wait for their session are neither in a backlog nor let in. What could run now is in a backlog for want of a place
-- alone, or due in the queue; more workers would not help what is paused, at its tenant's cap or behind another in its session.
local function count_queued_jobs(gauges, let_in)
  local sums = read_fields(key.backlog_sums(), 'queued_behind', 'tenant_cap', 'paused')
  local behind, at_cap, paused = at_least_0(sums.queued_behind), at_least_0(sums.tenant_cap), at_least_0(sums.paused)
  if is_everybody_paused() then behind, at_cap, paused = 0, 0, paused + behind + at_cap end
  gauges.due = behind + call('ZCOUNT', key.arq_queue(), '-inf', now_ms)
  gauges.queued = call('ZCARD', key.queued_all())
  gauges.paused = math.min(paused, gauges.queued)
  gauges.tenant_cap = math.min(at_cap, gauges.queued - gauges.paused)
  gauges.queued_behind = math.min(behind + let_in, gauges.queued - gauges.paused - gauges.tenant_cap)
  gauges.session_busy = gauges.queued - gauges.paused - gauges.tenant_cap - gauges.queued_behind
end

local function count_pauses(gauges)
  gauges.everybody_paused = is_everybody_paused() and 1 or 0
  gauges.tenants_paused = (is_anybody_paused() and call('HLEN', key.paused()) or 0) - gauges.everybody_paused
end

local function oldest_ms(zset, count)
  return count > 0 and tonumber(call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2] or '0') or 0
end

-- Show what an older version has queued, and forget what it has taken out of the queue.
local function mend_queue(some)
  for _, id in ipairs(call('ZRANGE', key.queued_since(), 0, some - 1)) do
    if not call('ZSCORE', key.queued_all(), id) then call('ZREM', key.queued_since(), id) end
  end
  if call('ZCARD', key.queued_since()) >= call('ZCARD', key.queued_all()) then return end
  for _, id in ipairs(call('ZRANGE', key.queued_all(), 0, some - 1)) do
    call('ZADD', key.queued_since(), 'NX', made_at_ms(id), id)
  end
end

local mend_tenant
do
  -- An older version writes the clock without an end, and feeds that a silent tenant would keep for ever.
  local function end_feed(tenant)
    call('PEXPIRE', key.feed(tenant), FEED_LIFE_MS + HOUR_MS, 'NX')
    call('PEXPIRE', key.event_clock(tenant), FEED_LIFE_MS + HOUR_MS, 'NX')
  end

  -- What has no record left ends no more: it would count against its tenant's cap for ever.
  local function drop_lost_jobs(tenant, some)
    for _, id in ipairs(call('SRANDMEMBER', key.running(tenant), some)) do
      if call('EXISTS', key.job(id)) == 0 then leave_place(tenant, id) end
    end
  end

  -- Who was at its cap has left the ring, and may be under a higher one now, or under that of a process with other settings.
  function mend_tenant(tenant, a)
    end_feed(tenant)
    drop_lost_jobs(tenant, a.some)
    join_ring_if_backlog(tenant)
    count_backlog(tenant, a.tenant_running_jobs)
    for _, id in ipairs(call('ZRANGE', key.deliveries(tenant, 'pending'), 0, a.some - 1)) do
      call('ZADD', key.deliveries_pending(), 'NX', made_at_ms(id), id)
    end
    for _, id in ipairs(call('ZRANGE', key.deliveries(tenant, 'dead'), 0, a.some - 1)) do
      call('ZADD', key.deliveries_dead(), 'NX', now_ms, id)
    end
  end
end

local mend
do
  local function drop_ended_deliveries(zset, state, some)
    for _, id in ipairs(call('ZRANGE', zset, 0, some - 1)) do
      if call('HGET', key.delivery(id), 'status') ~= state then call('ZREM', zset, id) end
    end
  end

  function mend(a)
    mend_queue(a.some)
    for _, tenant in ipairs(call('SRANDMEMBER', key.tenants(), a.some)) do mend_tenant(tenant, a) end
    drop_ended_deliveries(key.deliveries_pending(), 'pending', a.some)
    drop_ended_deliveries(key.deliveries_dead(), 'dead', a.some)
    index_strangers()
    for _, token in ipairs(call('SRANDMEMBER', key.tokens(), a.some)) do index_token(token) end
  end
end

local function count(a)
  local admitted = call('ZCARD', key.admitted())
  local gauges = {counted_ms = now_ms, slots_used = places_taken(admitted)}
  if a.some > 0 then gauges.tenants = call('SCARD', key.tenants()) end  -- they hardly change
  count_queued_jobs(gauges, math.max(0, admitted - count_started_jobs(a, gauges)))
  count_pauses(gauges)
  gauges.oldest_queued_ms = oldest_ms(key.queued_since(), gauges.queued)
  gauges.pending = call('ZCARD', key.deliveries_pending())
  gauges.oldest_pending_ms = oldest_ms(key.deliveries_pending(), gauges.pending)
  gauges.oldest_due_callback_ms = gauges.pending > 0 and oldest_due_callback_ms() or 0
  gauges.dead = call('ZCARD', key.deliveries_dead())
  gauges.slots, gauges.workers = capacity()
  wake_tokens()
  local sums = call('HGETALL', key.token_sums())
  for i = 1, #sums, 2 do gauges['token ' .. sums[i]] = at_least_0(sums[i + 1]) end
  local words = {}
  for name, number in pairs(gauges) do
    table.insert(words, name)
    table.insert(words, integer(number))
  end
  call('HSET', key.gauges(), unpack(words))
  return words
end

operation('read_gauges', function(a)
  local holder = call('GET', key.gauges_holder())
  if holder and holder ~= a.worker then return {gauges = call('HGETALL', key.gauges())} end
  call('SET', key.gauges_holder(), a.worker, 'PX', a.lease_ms)
  if a.some > 0 then mend(a) end
  count_changed_backlogs(a.tenant_running_jobs)
  return {gauges = count(a)}
end)
