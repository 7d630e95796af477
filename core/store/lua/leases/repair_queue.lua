-- Enqueue again what a dead worker or arq left behind: ids whose lease has run out, admitted ids that arq lost, and
-- due ids whose queue entry is gone, which arq would pick up for ever in vain.
-- Arguments: cursor (0 begins), most. Results: enqueued, how many; cursor, where to go on.

local function leases_that_ran_out(most)
  local ids = call('ZRANGEBYSCORE', key.leases(), '-inf', now_ms, 'LIMIT', 0, most)
  for _, id in ipairs(ids) do
    enqueue(id, now_ms)
    call('DEL', key.arq_in_progress(id))
    call('ZREM', key.leases(), id)
  end
  return #ids
end

-- Enqueue an id that has a record; for one without, `forget` what is left of it.
local function enqueue_or(forget, id)
  if call('EXISTS', record_key(id)) == 0 then
    forget(id)
    return 0
  end
  enqueue(id, now_ms)
  return 1
end

local function forget_admitted(id)
  call('ZREM', key.admitted(), id)
  call('ZREM', key.asleep(), id)
end

local function admitted_and_lost(cursor, most)
  local count, scanned = 0, call('ZSCAN', key.admitted(), cursor, 'COUNT', most)
  for i = 1, #scanned[2], 2 do
    local id = scanned[2][i]
    if not call('ZSCORE', key.arq_queue(), id) or call('EXISTS', key.arq_job(id)) == 0 then
      count = count + enqueue_or(forget_admitted, id)
    end
  end
  return count, scanned[1]
end

local function due_without_entry(most)
  local count = 0
  for _, id in ipairs(call('ZRANGEBYSCORE', key.arq_queue(), '-inf', now_ms, 'LIMIT', 0, most)) do
    if call('EXISTS', key.arq_job(id)) == 0 then count = count + enqueue_or(dequeue, id) end
  end
  return count
end

operation('repair_queue', function(a)
  local late = leases_that_ran_out(a.most)
  local lost, cursor = admitted_and_lost(a.cursor, a.most)
  return {enqueued = late + lost + due_without_entry(a.most), cursor = tonumber(cursor)}
end)
