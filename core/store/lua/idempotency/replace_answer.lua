-- Put another answer in the place of the one that was read, or forget its key, unless it has changed since. A Redis that
-- is full allows it: what replaces it says less.
-- Arguments: tenant, key_hash, before, after (absent: forget it). Results: done.
operation('replace_answer', function(a)
  local name = key.idempotency(a.tenant, a.key_hash)
  if call('HGET', name, 'answer') ~= a.before then return {} end
  if a.after then
    call('HSET', name, 'answer', a.after)
    call('HDEL', name, 'waits')
  else
    call('DEL', name)
  end
  return {done = true}
end, {'allow-oom'})
