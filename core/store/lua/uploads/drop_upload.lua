-- Forget an upload, expected or kept; what was counted of it is counted no more. Safe to repeat. A Redis that is full
-- allows it.
-- Arguments: id, tenant, size_bytes.
operation('drop_upload', function(a)
  local found = read_fields(key.upload(a.id), 'rec', 'expected')
  call('ZREM', key.uploads(), a.id)
  call('ZREM', key.tenant_uploads(a.tenant), a.id)
  call('ZREM', key.tenant_expected(a.tenant), a.id)
  call('DEL', key.upload(a.id))
  if not found.rec or found.expected then return {} end
  local left = redis.pcall('DECRBY', key.stored(a.tenant), integer(a.size_bytes))
  if type(left) == 'table' or left <= 0 then call('DEL', key.stored(a.tenant)) end  -- no number counts as nothing
  return {}
end, {'allow-oom'})
