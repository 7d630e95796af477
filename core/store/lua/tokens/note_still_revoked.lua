-- A revoked token was refused once more: it is due again when it has been revoked for twice as long, so that one that is over
-- for good is hardly asked for. One that was revoked by a release that does not say when counts from the first time.
-- Arguments: token.
operation('note_still_revoked', function(a)
  local found = read_fields(key.token(a.token), 'state', 'revoked_ms')
  if found.state ~= 'revoked' then return {} end
  local since_ms = found.revoked_ms and is_number(found.revoked_ms) and tonumber(found.revoked_ms)
  if not since_ms then call('HSET', key.token(a.token), 'revoked_ms', now_ms) end
  local again_ms = now_ms + math.max(now_ms - (since_ms or now_ms), REVOKED_FIRST_ASKED_MS)
  call('ZADD', key.revoked_tokens(), integer(again_ms), a.token)
  return {}
end)
