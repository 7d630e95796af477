-- Start an ended delivery's schedule anew, at once or as what has slept until then. What the URL of a job wanted no more it may be sent again when the
-- caller asks for it.
-- Arguments: id, job, record, status ('pending'), status_before; in_ms (0: at once); audit (an operator asks for it).
-- Results: written; absent: it is gone, or somebody else has done so.
operation('repeat_delivery', function(a)
  local found = read_fields(key.delivery(a.id), 'status', 'tenant', 'fmt', 'owner')
  local changed = found.status == a.status_before
  write_audit(a.audit, changed and 'done' or 'unchanged')
  if not changed then return {} end
  write_delivery(a, found)
  call('ZREM', key.retire(), a.id)
  if a.in_ms > 0 then enqueue(a.id, now_ms + a.in_ms) else enqueue_ahead(a.id) end
  call('HDEL', key.job(a.job), 'unwanted')
  return {written = true}
end)
