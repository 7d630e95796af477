-- What the claims of jobs and of deliveries have in common: who may have what is due, and which release reads it.

-- Whether an id was handed to somebody who comes for it, or is due.
local function is_its_time(id)
  if call('EXISTS', key.arq_in_progress(id)) == 1 then return true end
  return tonumber(call('ZSCORE', key.arq_queue(), id) or '-inf') <= now_ms
end

-- What the hash of an id says of it, some fields of its kind among that; `left_behind`: its holder let the lease run out.
-- Absent where it is over, or another holds it, for whom it stays due when that lease ends.
local function find_claimable(a, ...)
  local found = read_fields(record_key(a.id), 'rec', 'status', 'owner', 'tenant', 'fmt', ...)
  if not found.status or END_STATES[found.status] then
    dequeue(a.id)
    return nil
  end
  found.left_behind = found.owner ~= '' and found.owner ~= a.owner
  if not found.left_behind then return found end
  local lease_ends_ms = tonumber(call('ZSCORE', key.leases(), a.id) or '0')
  if lease_ends_ms <= now_ms then return found end
  call('ZADD', key.arq_queue(), 'XX', lease_ends_ms, a.id)
end

-- The first format of some that this release cannot read; 0 for what is no number.
local function unreadable_format(...)
  for i = 1, select('#', ...) do
    local fmt = select(i, ...)
    if not is_readable(fmt) then return tonumber(fmt) or 0 end
  end
end

-- A worker of a newer release has it: it stays due, after a moment in which that one may come to it first.
local function leave_to_another(id, unreadable_fmt)
  call('ZADD', key.arq_queue(), 'XX', now_ms + ANOTHERS_TURN_MS, id)
  call('DEL', key.arq_in_progress(id))
  return {unreadable_fmt = unreadable_fmt}
end
