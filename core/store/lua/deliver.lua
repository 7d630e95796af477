-- Write what came of a callback attempt, or send one again. Returns {'ok'} or {'lost'}: another holds it, or has
-- already sent it again (`status_was`).

-- How the default webhook's URL fared, unless another one was set, or it was switched off, meanwhile.
local function note_webhook(tenant, fared)
  local raw = call('HGET', K.tenant(tenant), 'webhook')
  local webhook = raw and cmsgpack.unpack(raw)
  if not webhook or webhook.url ~= fared.url or webhook.state == 'disabled' then return end
  if fared.worn_since_ms and webhook.failing_since_ms ~= fared.worn_since_ms then return end
  if fared.disabled_why then
    webhook.state, webhook.disabled_at_ms, webhook.disabled_why = 'disabled', a.now_ms, fared.disabled_why
  elseif not fared.failed then
    webhook.failing_since_ms = nil
  elseif not webhook.failing_since_ms then
    webhook.failing_since_ms = a.now_ms
  else
    return
  end
  call('HSET', K.tenant(tenant), 'webhook', cmsgpack.pack(webhook))
end

local key = K.delivery(a.id)
local found = call('HMGET', key, 'owner', 'status', 'tenant')
if not found[1] then return {'lost'} end
if a.owner and found[1] ~= a.owner then return {'lost'} end
if a.status_was and found[2] ~= a.status_was then return {'lost'} end
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
if a.fared then note_webhook(found[3], a.fared) end
-- what the URL of a job wants no more it may be sent again when the caller asks for it
if a.status_was then call('HDEL', K.job(a.job), 'unwanted') end
if a.unwanted and call('EXISTS', K.job(a.job)) == 1 then call('HSET', K.job(a.job), 'unwanted', a.unwanted) end
return {'ok'}
