-- Let no more jobs of a tenant, or of anybody, begin. What is let in and was not begun is put back where it is claimed.
-- Arguments: who (a tenant, or EVERYBODY), audit. Results: changed; absent: it was paused already.
-- A Redis that is full allows it: it takes next to none, and keeps what makes it fuller from beginning.
operation('pause', function(a)
  local changed = call('HEXISTS', key.paused(), a.who) == 0
  write_audit(a.audit, changed and 'done' or 'unchanged')
  if not changed then return {} end
  call('HSET', key.paused(), a.who, integer(now_ms))
  asked.any_paused = true
  if a.who ~= EVERYBODY then note_backlog(a.who) end
  return {changed = true}
end, {'allow-oom'})
