-- Remember an upload that has come whole, and count its bytes; the second of two who do so at once counts nothing.
-- Arguments: id, tenant, record, goes_ms, size_bytes.
-- Results: stored_bytes, what its tenant keeps now.
operation('keep_upload', function(a)
  local upload = key.upload(a.id)
  local found = read_fields(upload, 'rec', 'expected')
  call('HSET', upload, 'rec', a.record)
  stamp(upload)
  call('HDEL', upload, 'expected')
  call('ZADD', key.uploads(), a.goes_ms, a.id)
  call('ZADD', key.tenant_uploads(a.tenant), 0, a.id)
  local is_counted = found.rec and not found.expected
  return {stored_bytes = call('INCRBY', key.stored(a.tenant), integer(is_counted and 0 or a.size_bytes))}
end)
