-- A worker says that it lives (or goes), and jobs are admitted up to what all workers together can hold.
if a.worker then
  if a.slots > 0 then
    call('HSET', K.workers(), a.worker, string.format('%.0f:%.0f', a.now_ms + a.alive_ms, a.slots))
  else
    call('HDEL', K.workers(), a.worker)
  end
end
admit(a.most)
return call('ZCARD', K.tenant_ring())
