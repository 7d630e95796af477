-- Name anonymous tokens that expired before `before_ms` and that no job uses any more. Arguments: before_ms, most.
-- Results: tokens.
operation('old_anonymous', function(a)
  local old = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', key.anonymous_tokens(), 1, '(' .. integer(a.before_ms), 'LIMIT', 0, a.most)) do
    if call('HLEN', key.token_reservations(id)) == 0 then table.insert(old, id) end
  end
  return {tokens = old}
end, {'no-writes'})
