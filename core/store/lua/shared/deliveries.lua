-- Write a delivery's record, and move it between the lists of its states.
local function write_delivery(a, found)
  call('HSET', key.delivery(a.id), 'rec', a.record, 'status', a.status)
  stamp(key.delivery(a.id))
  if a.status ~= found.status then
    call('ZREM', key.deliveries(found.tenant, found.status), a.id)
    call('ZADD', key.deliveries(found.tenant, a.status), 0, a.id)
    show_delivery(a.id, a.status, now_ms)
  end
end
