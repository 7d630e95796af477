-- Take a token out of the pool. A Redis that is full allows it. Sessions and renders name it by its id, and messages may be at
-- work on it: for some time it is the same one when it is added again.
-- Arguments: token. Results: removed; absent: there is none. One that lacks fields, or all of them, is removed too.
operation('remove_token', function(a)
  local found = read_fields(key.token(a.token), 'digest', 'taken')
  if call('SREM', key.tokens(), a.token) == 0 and not found.digest then return {} end
  call('DEL', key.token(a.token), key.token_reservations(a.token))
  call('PEXPIRE', key.token_sent(a.token), TOKENS_REMEMBERED_MS)
  if found.digest then
    call('DEL', key.token_digest(found.digest))
    local sends = is_number(found.taken or '') and tonumber(found.taken) or 0
    call('SET', key.removed_token(found.digest), a.token .. ' ' .. integer(sends), 'PX', TOKENS_REMEMBERED_MS)
  end
  index_token(a.token)
  return {removed = true}
end, {'allow-oom'})
