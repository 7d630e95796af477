-- Take a job or a delivery, for as long as the lease lasts.
-- Arguments: id, owner, lease_ms.
-- Results: claimed (absent: it is over, or another holds it), and then
--   record, webhook (the tenant's default), crashes, suspected_since_ms (how long ago the last of them was)
--   taken_over: the holder before stopped in mid-step
--   session_record of a job, event_id of a delivery
-- Whether a process has said that it lives since it was suspected. When it last did is its "alive until" less a lease.
local function lives_since(lease_ms)
  return function(owner, since_ms)
    local said = call('HGET', key.workers(), process_of(owner))
    local until_ms = said and tonumber(string.match(said, '(%d+):'))
    return until_ms and until_ms - lease_ms > since_ms
  end
end

operation('claim', function(a)
  local record = record_key(a.id)
  local found = read_fields(record, 'rec', 'status', 'owner', 'tenant', 'session', 'event')
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
  if left_behind then count_crash(record, found.owner) end
  uncount_own_crash(record, a.owner)
  uncount_crashes(record, lives_since(a.lease_ms))
  local handed_back = call('HDEL', record, 'handed') == 1
  take_lease(a.id, a.owner, now_ms + a.lease_ms)
  return {
    claimed = true,
    record = found.rec,
    webhook = call('HGET', key.tenant(found.tenant), 'webhook'),
    crashes = tonumber(call('HGET', record, 'crashes') or '0'),
    suspected_since_ms = suspected_since_ms(record),
    taken_over = left_behind or handed_back,
    session_record = found.session and call('HGET', key.session(found.session), 'rec'),
    event_id = found.event,
  }
end)
