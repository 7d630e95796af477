-- Note that the backend refused a token, or one of its scopes, and tell whether it did before: one refusal alone does not
-- count.
-- Arguments: token, what ('refused', or 'scope write'), apart_ms (sooner it may be the same mishap; after
-- REFUSAL_FORGOTTEN_MS it is as if it never did), by (the job that was refused: what it is refused again says no more, as it
-- may be about what the job asks for; absent: whoever's counts). Results: said_before.
operation('note_refusal', function(a)
  if call('EXISTS', key.token(a.token)) == 0 then return {} end
  local since_ms = now_ms - tonumber(call('HGET', key.token(a.token), 'doubt ' .. a.what) or '0')
  if since_ms > REFUSAL_FORGOTTEN_MS then
    call('HSET', key.token(a.token), 'doubt ' .. a.what, now_ms, 'doubted_ms', now_ms)
    if a.by then call('HSET', key.token(a.token), 'doubter ' .. a.what, a.by) end
    index_token(a.token)
  end
  local by_another = not a.by or call('HGET', key.token(a.token), 'doubter ' .. a.what) ~= a.by
  return {said_before = by_another and since_ms >= a.apart_ms and since_ms <= REFUSAL_FORGOTTEN_MS}
end)
