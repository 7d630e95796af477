-- Hold the lock on the anonymous identity for longer, or let go of it (`for_ms` 0), where it is still the owner's. A Redis that
-- is full allows it.
-- Arguments: owner (who has taken the lock), for_ms.
operation('hold_identity', function(a)
  local lock = key.anonymous_identity_lock()
  if call('GET', lock) == a.owner then call('PEXPIRE', lock, a.for_ms) end
  return {}
end, {'allow-oom'})
