-- Admit jobs up to what all workers together can hold; before that, a worker may say that it lives (or goes).
-- Arguments: most, tenant_running_jobs; of a worker: worker, slots, alive_ms (0: it goes), facts (what it says of itself).
operation('admit_jobs', function(a)
  if a.worker and a.alive_ms > 0 then
    call('HSET', key.workers(), a.worker, string.format('%.0f:%.0f', now_ms + a.alive_ms, a.slots))
    if a.facts then call('SET', key.worker(a.worker), a.facts, 'PX', a.alive_ms) end
  elseif a.worker then
    call('HDEL', key.workers(), a.worker)
    call('DEL', key.worker(a.worker))
  end
  admit_jobs(a.most, a.tenant_running_jobs)
  return {}
end)
