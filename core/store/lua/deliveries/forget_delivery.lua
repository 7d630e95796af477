-- Remove an ended delivery whose time is over, unless it is being sent again by now, or has been. A Redis that is full allows it.
-- Arguments: id, due_ms (what is kept until then is over).
operation('forget_delivery', function(a)
  local until_ms = call('ZSCORE', key.retire(), a.id)
  if not until_ms or tonumber(until_ms) > a.due_ms then return {} end
  call('ZREM', key.retire(), a.id)
  local found = read_fields(key.delivery(a.id), 'rec', 'status', 'tenant')
  if not found.status then return {} end
  call('ZREM', key.deliveries(found.tenant, found.status), a.id)
  show_delivery(a.id, found.status)
  local readable, job = pcall(packed_field, found.rec, 'job_id')
  if readable and job then call('ZREM', key.job_deliveries(job), a.id) end
  dequeue(a.id)
  call('DEL', key.delivery(a.id))
  return {}
end, {'allow-oom'})
