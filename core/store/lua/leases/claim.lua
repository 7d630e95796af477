-- Take a job or a delivery, for as long as the lease lasts.
-- A job that has not begun, of a tenant that is paused, goes back into its backlog.
-- Arguments: id, owner, lease_ms.
-- Results: unreadable_fmt (of what only another release reads: nothing was done), claimed (absent: it is over, or another
-- holds it, or it shall not begin now), and then
--   record, webhook (the tenant's default), crashes, suspected_since_ms (how long ago the last of them was)
--   taken_over: the holder before stopped in mid-step; left_behind: it let its lease run out
--   session_record of a job, event_id of a delivery

-- Whether a process has said that it lives since it was suspected. When it last did is its "alive until" less a lease.
local function lives_since(lease_ms)
  return function(owner, since_ms)
    local said = call('HGET', key.workers(), process_of(owner))
    local until_ms = said and tonumber(string.match(said, '(%d+):'))
    return until_ms and until_ms - lease_ms > since_ms
  end
end

-- What is needed beside a record: its tenant's webhook, and a job's session.
local function read_beside(found)
  local tenant = read_fields(key.tenant(found.tenant), 'webhook', 'fmt')
  local session = found.session and read_fields(key.session(found.session), 'rec', 'fmt') or {}
  return {webhook = tenant.webhook, session_record = session.rec, formats = {found.fmt, tenant.fmt, session.fmt}}
end

-- The first format of some that this release cannot read; 0 for what is no number.
local function unreadable_format(formats)
  for i = 1, 3 do
    if not is_readable(formats[i]) then return tonumber(formats[i]) or 0 end
  end
end

-- A worker of a newer release has it: it stays due, after a moment in which that one may come to it first.
local function leave_to_another(id)
  call('ZADD', key.arq_queue(), 'XX', now_ms + ANOTHERS_TURN_MS, id)
  call('DEL', key.arq_in_progress(id))
end

-- A job that was set aside has lost its place: it goes to the end of its session's queue, and waits to be admitted again.
local function give_new_turn(id, found)
  dequeue(id)
  local nth = call('RPUSH', key.session_queue(found.session), id)
  if nth == 1 then join_backlog(found.tenant, id, call('HGET', key.job(id), 'rank')) end
  return {}
end

-- A job whose tenant was paused after it was let in frees its place, and what a worker that died had reserved for it: a
-- pause may last for days. It is let in again when its tenant is resumed.
local function put_back(id, found)
  call('HSET', key.job(id), 'owner', '')
  release_reservations(id, found.tenant)
  leave_queue(found.tenant, id)
  join_backlog(found.tenant, id, call('HGET', key.job(id), 'rank'))
  count_backlog(found.tenant, math.huge)  -- whether it is at its cap is not asked: it does not wait for that now
  return {}
end

operation('claim', function(a)
  local record = record_key(a.id)
  local found = read_fields(record, 'rec', 'status', 'owner', 'tenant', 'session', 'event', 'fmt')
  if not found.status or END_STATES[found.status] then
    dequeue(a.id)
    return {}
  end
  local left_behind = found.owner ~= '' and found.owner ~= a.owner
  local lease_ends_ms = tonumber(call('ZSCORE', key.leases(), a.id) or '0')
  if left_behind and lease_ends_ms > now_ms then
    call('ZADD', key.arq_queue(), 'XX', lease_ends_ms, a.id)
    return {}
  end
  local beside = read_beside(found)
  local unreadable_fmt = unreadable_format(beside.formats)
  if unreadable_fmt then
    leave_to_another(a.id)
    return {unreadable_fmt = unreadable_fmt}
  end
  if call('HDEL', record, 'aside') == 1 then return give_new_turn(a.id, found) end
  if left_behind then count_crash(record, found.owner) end
  uncount_own_crash(record, a.owner)
  uncount_crashes(record, lives_since(a.lease_ms))
  if found.status == 'queued' and is_paused(found.tenant) then return put_back(a.id, found) end
  local handed_back = call('HDEL', record, 'handed') == 1
  take_lease(a.id, a.owner, now_ms + a.lease_ms)
  return {
    claimed = true,
    record = found.rec,
    webhook = beside.webhook,
    crashes = tonumber(call('HGET', record, 'crashes') or '0'),
    suspected_since_ms = suspected_since_ms(record),
    taken_over = left_behind or handed_back,
    left_behind = left_behind,
    session_record = beside.session_record,
    event_id = found.event,
  }
end)
