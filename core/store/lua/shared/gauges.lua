-- What the gauges over all of Redis are read off: kept by whoever changes something, so that nobody has to count jobs,
-- tenants or deliveries. Each part can be written again at any time from what is there, which mends what a process of
-- another version has not kept.

-- Show a job that has started under its status, its stage and why it waits, 'running/rendering/backend_down', and not any
-- more where it was. `after` is absent for one that has ended. Its hash says it too, in the field 'at'.
local function show_job(id, before, after)
  if before == after then return end
  if before then call('ZREM', key.jobs_at(before), id) end
  if after then call('ZADD', key.jobs_at(after), now_ms, id) end
end

-- A tenant's backlog has changed, or why it waits: it is counted when somebody wants to know. asked.noted: whose was noted last.
local function note_backlog(tenant)
  if asked.noted ~= tenant then call('SADD', key.backlogs_changed(), tenant) end
  asked.noted = tenant
end

local count_backlog
do
  -- Why the backlog of a tenant waits. That everybody is paused is looked at by whoever reads the sums.
  local function backlog_reason(tenant, tenant_running_jobs)
    if is_tenant_paused(tenant) then return 'paused' end
    return call('SCARD', key.running(tenant)) >= tenant_running_jobs and 'tenant_cap' or 'queued_behind'
  end

  -- Keep how many jobs of a tenant wait, and why; of all tenants together the sums. What is no such word counts as none.
  function count_backlog(tenant, tenant_running_jobs)
    local backlog = call('ZCARD', key.backlog(tenant))
    local reason = backlog > 0 and backlog_reason(tenant, tenant_running_jobs)
    local after = reason and reason .. ':' .. integer(backlog) or nil
    local before = call('HGET', key.backlog_counts(), tenant) or nil
    if before == after then return end
    local changes = reason and {[reason] = backlog} or {}
    local reason_before, number = string.match(before or '', '^(.*):(%d+)$')
    if number then changes[reason_before] = (changes[reason_before] or 0) - tonumber(number) end
    for sum, change in pairs(changes) do
      if change ~= 0 then add_to_sum('HINCRBY', key.backlog_sums(), sum, change) end
    end
    if after then
      call('HSET', key.backlog_counts(), tenant, after)
    else
      call('HDEL', key.backlog_counts(), tenant)
    end
  end
end

-- When an id of ours was made: it begins with the time.
local function made_at_ms(id)
  local high, low = string.match(id, '^%l+_(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)')
  return high and tonumber(high .. low, 16) or 0
end

-- Keep which deliveries are pending, since when, and which were given up. `before` is absent for a new one, `after` for one
-- that is gone.
local function show_delivery(id, before, after)
  if before == 'pending' then call('ZREM', key.deliveries_pending(), id) end
  if before == 'dead' then call('ZREM', key.deliveries_dead(), id) end
  if after == 'pending' then call('ZADD', key.deliveries_pending(), now_ms, id) end
  if after == 'dead' then call('ZADD', key.deliveries_dead(), now_ms, id) end
end
