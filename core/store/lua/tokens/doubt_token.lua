-- Write that something bad was said of a token, and tell whether it was said before: no single word counts.
-- Arguments: token, what ('refused', or 'scope write'), apart_ms (sooner it may be the same mishap), forgotten_ms (later
-- it is as if it was never said). Results: said_before.
operation('doubt_token', function(a)
  if call('EXISTS', key.token(a.token)) == 0 then return {} end
  local since_ms = now_ms - tonumber(call('HGET', key.token(a.token), 'doubt ' .. a.what) or '0')
  if since_ms > a.forgotten_ms then
    call('HSET', key.token(a.token), 'doubt ' .. a.what, now_ms, 'doubted_ms', now_ms)
  end
  return {said_before = since_ms >= a.apart_ms and since_ms <= a.forgotten_ms}
end)
