-- Take a job for as long as the lease lasts.
-- One that has not begun, of a tenant that is paused, goes back into its backlog.
-- Arguments: id, owner, lease_ms, only_if_due (who comes was told of it, perhaps long ago).
-- Results: unreadable_fmt (of what only another release reads: nothing was done), claimed (absent: it is over, or another
-- holds it, or it shall not begin now), and then
--   record, session_record, webhook (the tenant's default)
--   crashes, suspected_since_ms (how long ago the last of them was)
--   taken_over: the holder before stopped in mid-step; left_behind: it let its lease run out

-- Whether a process has said that it lives since it was suspected. When it last did is its "alive until" less a lease.
local function lives_since(lease_ms)
  return function(owner, since_ms)
    local said = call('HGET', key.workers(), process_of(owner))
    local until_ms = said and tonumber(string.match(said, '(%d+):'))
    return until_ms and until_ms - lease_ms > since_ms
  end
end

-- Whether a job that was let in once waits in its backlog again: who heard of it before, and was frozen, comes too late. One
-- that was set aside waits nowhere: it is given a turn below.
local function waits_for_its_turn(id, found)
  return found.back and not found.aside and not call('ZSCORE', key.admitted(), id)
end

-- Give a job that was set aside a place in its session's queue again: the last one. One that has begun comes right behind who was
-- let in there since, and before all others. Returns whether it is the first there.
local function line_up(id, found)
  local queue = key.session_queue(found.session)
  local first = found.status ~= 'queued' and call('LINDEX', queue, 0)
  if not first then return call('RPUSH', queue, id) == 1 end
  if call('ZREM', key.backlog(found.tenant), first) == 0 then
    call('LINSERT', queue, 'AFTER', first, id)
    return false
  end
  note_backlog(found.tenant)
  call('LPUSH', queue, id)
  return true
end

-- A job that was set aside has lost its place, and waits to be admitted again; one that has begun, for its session alone.
local function give_new_turn(id, found)
  dequeue(id)
  call('HSET', key.job(id), 'back', 1)
  if line_up(id, found) then join_backlog(found.tenant, id, call('HGET', key.job(id), 'rank'), found.status) end
  return {}
end

-- Behind the first of a session those that have begun stand, where they were set aside, before all others: no pause keeps them
-- from their end. So they go before one that shall not begin now. Returns who is the first then.
local function let_begun_pass(id, session)
  local queue, last = key.session_queue(session), nil
  for nth = 1, call('LLEN', queue) - 1 do
    local behind = call('LINDEX', queue, nth)
    if (call('HGET', key.job(behind), 'status') or 'queued') == 'queued' then break end
    last = behind
  end
  if not last then return id end
  call('LREM', queue, 1, id)
  call('LINSERT', queue, 'AFTER', last, id)
  return call('LINDEX', queue, 0)
end

-- A job whose tenant was paused after it was let in frees its place, and what a worker that died had reserved for it: a
-- pause may last for days. It is let in again when its tenant is resumed.
local function put_back(id, found)
  call('HSET', key.job(id), 'owner', '', 'back', 1)
  release_reservations(id, found.tenant)
  leave_queue(found.tenant, id)
  local first = let_begun_pass(id, found.session)
  local waits = read_fields(key.job(first), 'rank', 'status')
  join_backlog(found.tenant, first, waits.rank, waits.status)
  return {}
end

-- Count the crashes anew where somebody is suspected: whoever was heard of since has not died. Results: how many count, and how
-- long ago the last one was.
local function count_crashes(record, a, found)
  if found.left_behind then count_crash(record, found.owner) end
  if not (found.suspects or found.left_behind) then return tonumber(found.crashes or '0') end
  uncount_own_crash(record, a.owner)
  uncount_crashes(record, lives_since(a.lease_ms))
  return tonumber(call('HGET', record, 'crashes') or '0'), suspected_since_ms(record)
end

operation('claim_job', function(a)
  local found = find_claimable(a, 'session', 'aside', 'back', 'handed', 'crashes', 'suspects')
  if not found or (a.only_if_due and not is_its_time(a.id)) then return {} end
  if waits_for_its_turn(a.id, found) then
    dequeue(a.id)
    return {}
  end
  local tenant = read_fields(key.tenant(found.tenant), 'webhook', 'fmt')
  local session = found.session and read_fields(key.session(found.session), 'rec', 'fmt') or {}
  local unreadable_fmt = unreadable_format(found.fmt, tenant.fmt, session.fmt)
  if unreadable_fmt then return leave_to_another(a.id, unreadable_fmt) end
  local record = key.job(a.id)
  if found.aside and call('HDEL', record, 'aside') == 1 then return give_new_turn(a.id, found) end
  local crashes, suspected_ms = count_crashes(record, a, found)
  if found.status == 'queued' and is_paused(found.tenant) then return put_back(a.id, found) end
  if found.handed then call('HDEL', record, 'handed') end
  take_lease(a.id, a.owner, now_ms + a.lease_ms)
  return {
    claimed = true,
    record = found.rec,
    session_record = session.rec,
    webhook = tenant.webhook,
    crashes = crashes,
    suspected_since_ms = suspected_ms,
    taken_over = found.left_behind or found.handed and true,
    left_behind = found.left_behind,
  }
end)
