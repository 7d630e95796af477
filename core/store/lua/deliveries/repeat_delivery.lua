-- Start a delivery's schedule anew, at once or as what has slept until then: one that has ended, or that sleeps until its next
-- attempt. What the URL of a job wanted no more it may be sent again when the caller asks for it.
-- Arguments: id, job, record, status ('pending'), status_before, next_at_ms (of one that sleeps); in_ms (0: at once); audit (an
-- operator asks for it).
-- Results: written; being_sent: it is being sent, or about to be; neither: it is gone, or somebody else has done so.

-- Whether it is still as whoever asks has seen it asleep: nobody has it, and no attempt was made meanwhile.
local function sleeps_on(a, found)
  if found.status ~= 'pending' or found.owner ~= '' or is_its_time(a.id) then return false end
  local readable, next_at_ms = pcall(packed_field, found.rec, 'next_at_ms')
  return readable and next_at_ms == a.next_at_ms
end

operation('repeat_delivery', function(a)
  local found = read_fields(key.delivery(a.id), 'rec', 'status', 'tenant', 'fmt', 'owner')
  if a.status_before == 'pending' and not sleeps_on(a, found) then return {being_sent = true} end
  local changed = found.status == a.status_before
  write_audit(a.audit, changed and 'done' or 'unchanged')
  if not changed then return {} end
  write_delivery(a, found)
  call('ZREM', key.retire(), a.id)
  if a.in_ms > 0 then enqueue(a.id, now_ms + a.in_ms) else enqueue_ahead(a.id) end
  call('HDEL', key.job(a.job), 'unwanted')
  return {written = true}
end)
