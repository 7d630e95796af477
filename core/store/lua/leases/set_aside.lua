-- Let go of what was claimed and nobody can read now. It is tried again after a while; until then it holds no place, and
-- in its session the next one goes on. No crash is counted; what was half done stays so.
-- Arguments: id, owner, rest_ms.
operation('set_aside', function(a)
  local record = record_key(a.id)
  local found = read_fields(record, 'owner', 'tenant', 'session')
  if found.owner ~= a.owner then return {} end
  release_lease(a.id, now_ms + a.rest_ms)
  if is_delivery(a.id) then return {} end
  call('HSET', record, 'handed', 1, 'aside', 1)
  leave_place(found.tenant, a.id)
  leave_session_queue(found.session, found.tenant, a.id)
  join_ring_if_backlog(found.tenant)
  return {}
end)
