-- Name revoked tokens whose balance is to be asked for, each to one caller: a login that was out of order refuses good ones
-- too. Each is due again when it has been revoked for twice as long, so that one that is over for good is hardly asked for.
-- Arguments: most. Results: tokens.

-- When a token is due again. Who was revoked by a release that does not say when counts from the first look; one that such a
-- release has removed, or added again, is none any more.
local function due_again_ms(id)
  local found = read_fields(key.token(id), 'state', 'revoked_ms')
  if found.state ~= 'revoked' then return nil end
  local since_ms = found.revoked_ms and is_number(found.revoked_ms) and tonumber(found.revoked_ms)
  if not since_ms then call('HSET', key.token(id), 'revoked_ms', now_ms) end
  return now_ms + math.max(now_ms - (since_ms or now_ms), REVOKED_FIRST_ASKED_MS)
end

operation('revoked_to_ask_for', function(a)
  local tokens = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', key.revoked_tokens(), '-inf', now_ms, 'LIMIT', 0, a.most)) do
    local again_ms = due_again_ms(id)
    if again_ms then
      table.insert(tokens, id)
      call('ZADD', key.revoked_tokens(), integer(again_ms), id)
    else
      call('ZREM', key.revoked_tokens(), id)
    end
  end
  return {tokens = tokens}
end)
