-- Say who uses a token, and write its balance where one was read.
-- Arguments: token, balance {available, frozen}.
-- Results: known (absent: it was removed), reserved, in_flight (jobs that hold it), taken (how often, ever).
operation('note_balance', function(a)
  if call('EXISTS', key.token(a.token)) == 0 then return {} end
  if a.balance then write_balance(a.token, a.balance) end
  local token = read_fields(key.token(a.token), 'reserved', 'taken')
  return {
    known = true,
    reserved = tonumber(token.reserved or '0'),
    in_flight = call('HLEN', key.token_reservations(a.token)),
    taken = tonumber(token.taken or '0'),
  }
end)
