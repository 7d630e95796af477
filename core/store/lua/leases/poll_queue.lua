-- Hand what is due to one worker. Until it has claimed an id, arq's own key and the score guard it for one lease.
-- An id whose queue entry is gone is left to the repair.
-- Arguments: most, lease_ms. Results: ids; next_in_ms, until something else is due (absent: nothing is queued).
operation('poll_queue', function(a)
  local taken, due = {}, call('ZRANGEBYSCORE', key.arq_queue(), '-inf', now_ms, 'LIMIT', 0, a.most)
  call('DEL', key.wakeup())
  if #due == a.most then wake_worker() end
  for _, id in ipairs(due) do
    if call('EXISTS', key.arq_job(id)) == 1 and call('SET', key.arq_in_progress(id), '1', 'NX', 'PX', a.lease_ms) then
      call('ZADD', key.arq_queue(), now_ms + a.lease_ms, id)
      table.insert(taken, id)
    end
  end
  local later = call('ZRANGE', key.arq_queue(), '(' .. integer(now_ms), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return {ids = taken, next_in_ms = later[2] and math.ceil(later[2] - now_ms)}
end)
