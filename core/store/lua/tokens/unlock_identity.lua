-- Let another worker renew the anonymous identity's token, unless one does already. A Redis that is full allows it.
-- Arguments: owner (who has taken the lock).
operation('unlock_identity', function(a)
  if call('GET', key.anonymous_identity_lock()) == a.owner then call('DEL', key.anonymous_identity_lock()) end
  return {}
end, {'allow-oom'})
