-- Let no job name an upload any more, since its bytes are about to be deleted. One that has not come counts no more, although a
-- storage that is away may keep it from being dropped. Safe to repeat. A Redis that is full allows it.
-- Arguments: id, tenant; expected_only: not one that has come; due_by_ms: not one that is in use for longer.
-- Results: withdrawn, also where nobody knows it any more.
operation('withdraw_upload', function(a)
  local upload = key.upload(a.id)
  local found = read_fields(upload, 'rec', 'expected')
  if not found.rec then return {withdrawn = true} end
  if a.expected_only and not found.expected then return {} end
  if a.due_by_ms and tonumber(call('ZSCORE', key.uploads(), a.id) or 0) > a.due_by_ms then return {} end
  call('HSET', upload, 'withdrawn', '1')
  call('ZREM', key.tenant_expected(a.tenant), a.id)
  return {withdrawn = true}
end, {'allow-oom'})
