-- Write what came of a callback attempt, or send one again. Returns {'ok'} or {'lost'}.
local key = K.delivery(a.id)
local found = call('HMGET', key, 'owner', 'status', 'tenant')
if not found[1] then return {'lost'} end
if a.owner and found[1] ~= a.owner then return {'lost'} end
call('HSET', key, 'rec', a.rec, 'status', a.status)
if a.status ~= found[2] then
  call('ZREM', K.deliveries(found[3], found[2]), a.id)
  call('ZADD', K.deliveries(found[3], a.status), 0, a.id)
end
if a.status == 'pending' then
  call('ZREM', K.retire(), a.id)
  if a.owner then put_back(a.id, a.wake_ms, key) else ring_bell(a.id, a.wake_ms, a.delivery_bell) end
else
  call('HSET', key, 'owner', '')
  call('ZREM', K.leases(), a.id)
  forget_bell(a.id)
  call('ZADD', K.retire(), a.retire_ms, a.id)
end
if a.disable then
  local now = call('HGET', K.tenant(found[3]), 'webhook')
  if now == a.disable_if then call('HSET', K.tenant(found[3]), 'webhook', a.disable) end
end
return {'ok'}
