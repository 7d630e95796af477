-- Remember an upload that has come whole, and count its bytes; the second of two who do so at once counts nothing.
-- Arguments: id, tenant, record, goes_ms, size_bytes; is_copy: of several copies of what was sent only the first is kept.
-- Results: stored_bytes, what its tenant keeps now; too_late: it is a copy, and another one is kept, or none can be any more.

-- What somebody has written over the sum, and is no number, counts as nothing.
local function add_bytes(stored, by)
  local sum = redis.pcall('INCRBY', stored, by)
  if type(sum) ~= 'table' then return sum end
  call('SET', stored, by)
  return tonumber(by)
end

operation('keep_upload', function(a)
  local upload = key.upload(a.id)
  local found = read_fields(upload, 'rec', 'expected', 'withdrawn')
  if a.is_copy and (not found.expected or found.withdrawn) then return {too_late = true} end
  call('HSET', upload, 'rec', a.record)
  stamp(upload)
  call('HDEL', upload, 'expected')
  call('ZADD', key.uploads(), a.goes_ms, a.id)
  call('ZADD', key.tenant_uploads(a.tenant), 0, a.id)
  call('ZREM', key.tenant_expected(a.tenant), a.id)
  local is_counted = found.rec and not found.expected
  return {stored_bytes = add_bytes(key.stored(a.tenant), integer(is_counted and 0 or a.size_bytes))}
end)
