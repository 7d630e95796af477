-- Name revoked tokens whose balance is to be asked for, each to one caller: a login that was out of order refuses good ones
-- too. Each is due again when it has been revoked for twice as long, so that one that is over for good is hardly asked for.
-- Arguments: most. Results: tokens.
operation('revoked_to_ask_for', function(a)
  local due = call('ZRANGEBYSCORE', key.revoked_tokens(), '-inf', now_ms, 'LIMIT', 0, a.most)
  for _, id in ipairs(due) do
    local revoked_ms = tonumber(call('HGET', key.token(id), 'revoked_ms') or now_ms)
    local again_ms = now_ms + math.max(now_ms - revoked_ms, REVOKED_FIRST_ASKED_MS)
    call('ZADD', key.revoked_tokens(), integer(again_ms), id)
  end
  return {tokens = due}
end)
