-- Take a key for a call of several writes, unless the same or another call has it, or had it.
-- Arguments: tenant, key_hash, body_hash, by (names this very call), hold_ms. Results: held.
operation('hold_key', function(a)
  local name = key.idempotency(a.tenant, a.key_hash)
  if call('EXISTS', name) == 1 then return {} end
  call('HSET', name, 'body', a.body_hash, 'by', a.by)
  call('PEXPIRE', name, a.hold_ms)
  return {held = true}
end)
