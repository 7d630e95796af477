-- Let a key go whose call has failed, if that call has it. A Redis that is full allows it.
-- Arguments: tenant, key_hash, by.
operation('let_go_of_key', function(a)
  local name = key.idempotency(a.tenant, a.key_hash)
  if call('HGET', name, 'by') == a.by then call('DEL', name) end
  return {}
end, {'allow-oom'})
