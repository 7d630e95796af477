-- Let no job name an upload any more, since its bytes are about to be deleted. Safe to repeat. A Redis that is full allows it.
-- Arguments: id; expected_only: not one that has come; due_by_ms: not one that is in use for longer.
-- Results: withdrawn, also where nobody knows it any more.
operation('withdraw_upload', function(a)
  local upload = key.upload(a.id)
  local found = read_fields(upload, 'rec', 'expected')
  if not found.rec then return {withdrawn = true} end
  if a.expected_only and not found.expected then return {} end
  if a.due_by_ms and tonumber(call('ZSCORE', key.uploads(), a.id) or 0) > a.due_by_ms then return {} end
  call('HSET', upload, 'withdrawn', '1')
  return {withdrawn = true}
end, {'allow-oom'})
