-- Take a token out of the pool. A Redis that is full allows it.
-- Arguments: token. Results: removed; absent: there is none.
operation('remove_token', function(a)
  local digest = call('HGET', key.token(a.token), 'digest')
  if not digest then return {} end
  call('SREM', key.tokens(), a.token)
  call('DEL', key.token(a.token), key.token_reservations(a.token), key.token_sent(a.token), key.token_digest(digest))
  index_token(a.token)
  return {removed = true}
end, {'allow-oom'})
