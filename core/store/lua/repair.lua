-- What a dead worker or arq left behind is rung again: ids whose lease has run out, admitted ids that arq lost, and
-- due ids whose bell is gone, which arq would pick up for ever in vain.
local rung = 0
for _, id in ipairs(call('ZRANGEBYSCORE', K.leases(), '-inf', a.now_ms, 'LIMIT', 0, a.most)) do
  ring_bell(id, a.now_ms, bell_of(id))
  call('DEL', K.arq_in_progress(id))
  call('ZREM', K.leases(), id)
  rung = rung + 1
end
local scanned = call('ZSCAN', K.admitted(), a.cursor, 'COUNT', a.most)
for i = 1, #scanned[2], 2 do
  local id = scanned[2][i]
  if not call('ZSCORE', K.arq_queue(), id) or call('EXISTS', K.arq_job(id)) == 0 then
    if call('EXISTS', K.job(id)) == 1 then
      ring_bell(id, a.now_ms, a.job_bell)
      rung = rung + 1
    else
      call('ZREM', K.admitted(), id)
    end
  end
end
for _, id in ipairs(call('ZRANGEBYSCORE', K.arq_queue(), '-inf', a.now_ms, 'LIMIT', 0, a.most)) do
  if call('EXISTS', K.arq_job(id)) == 0 then
    if call('EXISTS', record_key_of(id)) == 1 then
      ring_bell(id, a.now_ms, bell_of(id))
      rung = rung + 1
    else
      forget_bell(id)
    end
  end
end
return {rung, scanned[1]}
