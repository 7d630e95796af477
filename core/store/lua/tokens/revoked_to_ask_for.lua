-- Name revoked tokens whose balance is to be asked for, each to one caller: a login that was out of order refuses good ones
-- too. Whoever is refused once more says so (`note_still_revoked`); one of which nobody could say anything, since the backend
-- or the caller's keys were away, is named again after a minute. One that a release without this has removed, or added again,
-- is none any more.
-- Arguments: most. Results: tokens.

-- no answer of the backend's is waited for longer
local ANSWERED_WITHIN_MS = 60000

operation('revoked_to_ask_for', function(a)
  local tokens = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', key.revoked_tokens(), '-inf', now_ms, 'LIMIT', 0, a.most)) do
    if call('HGET', key.token(id), 'state') == 'revoked' then
      table.insert(tokens, id)
      call('ZADD', key.revoked_tokens(), integer(now_ms + ANSWERED_WITHIN_MS), id)
    else
      call('ZREM', key.revoked_tokens(), id)
    end
  end
  return {tokens = tokens}
end)
