-- Leave a tombstone of an ended job: what it said and named goes from its record, events, feed, callbacks and session.
-- Safe to repeat. A Redis that is full allows it.
-- Arguments: id, record (the tombstone), version, fed (ids of its entries in the feed that its own stream has no more).

local function forget_events(tenant, job, fed)
  for _, entry in ipairs(call('XRANGE', key.events(job), '-', '+')) do call('XDEL', key.feed(tenant), entry[1]) end
  for _, id in ipairs(fed) do call('XDEL', key.feed(tenant), id) end
  call('DEL', key.events(job))
end

-- A worker that holds one of them finds it gone, and writes nothing.
local function forget_deliveries(tenant, job)
  for _, id in ipairs(call('ZRANGE', key.job_deliveries(job), 0, -1)) do
    local status = call('HGET', key.delivery(id), 'status')
    if status then call('ZREM', key.deliveries(tenant, status), id) end
    call('ZREM', key.leases(), id)
    call('ZREM', key.retire(), id)
    dequeue(id)
    show_delivery(id, status)
    call('DEL', key.delivery(id))
  end
  call('DEL', key.job_deliveries(job))
end

operation('remove_job_data', function(a)
  local job = key.job(a.id)
  local found = read_fields(job, 'tenant', 'session', 'rec')
  if not found.tenant then return {} end
  local readable, media = pcall(files_of, found.rec)
  remove_from_session(found.session, {id = a.id, media = readable and media})
  forget_events(found.tenant, a.id, a.fed)
  forget_deliveries(found.tenant, a.id)
  call('HSET', job, 'rec', a.record, 'ver', a.version)
  stamp(job)
  call('HDEL', job, 'tracks', 'before', 'answered', 'unwanted')
  call('PUBLISH', channel.removals, a.id)
  return {}
end, {'allow-oom'})
