-- Put a token into the pool, or write one anew of which nothing is to be remembered that refusals have taught. What its
-- row does not say of whom it serves and of its scopes stays as it was.
-- Arguments: token, row (names and values in turn), anew, sends (messages ever sent on it, where it was removed before).
-- Results: added; absent: it is there, and stays as it is.
operation('add_token', function(a)
  local token = key.token(a.token)
  if call('EXISTS', token) == 1 and not a.anew then return {} end
  call('HDEL', token, 'expires_ms', 'rest_until_ms', 'blocked', 'denied', 'doubted_ms', 'doubt refused',
    'doubt scope read', 'doubt scope write', 'doubt scope upload', 'doubt scope render', 'blocked_by',
    'doubter scope read', 'doubter scope write', 'doubter scope upload', 'doubter scope render')
  call('HSET', token, unpack(a.row))
  call('HSETNX', token, 'tenant', '')
  call('HSETNX', token, 'scopes', '')
  if a.sends > 0 then call('HSETNX', token, 'taken', a.sends) end
  call('PERSIST', key.token_sent(a.token))
  call('SADD', key.tokens(), a.token)
  index_token(a.token)
  return {added = true}
end)
