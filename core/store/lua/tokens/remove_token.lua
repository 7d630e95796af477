-- Take a token out of the pool. A Redis that is full allows it.
-- Arguments: token. Results: removed; absent: there is none. One that lacks fields, or all of them, is removed too.
operation('remove_token', function(a)
  local digest = call('HGET', key.token(a.token), 'digest')
  if call('SREM', key.tokens(), a.token) == 0 and not digest then return {} end
  call('DEL', key.token(a.token), key.token_reservations(a.token), key.token_sent(a.token))
  if digest then call('DEL', key.token_digest(digest)) end
  index_token(a.token)
  return {removed = true}
end, {'allow-oom'})
