-- Write a delivery's record, and move it between the lists of its states. Nobody holds one that has ended.
local function write_delivery(a, found)
  local owner = a.status == 'pending' and found.owner or ''
  call('HSET', key.delivery(a.id), 'rec', a.record, 'status', a.status, 'fmt', fmt_over(found.fmt), 'owner', owner)
  if a.status ~= found.status then
    call('ZREM', key.deliveries(found.tenant, found.status), a.id)
    call('ZADD', key.deliveries(found.tenant, a.status), 0, a.id)
    show_delivery(a.id, found.status, a.status)
  end
end
