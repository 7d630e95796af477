-- Hand what is due to one worker. Until it has claimed an id, arq's own key and the score guard it for one lease.
-- An id whose queue entry is gone is left to the repair.
-- Arguments: most, lease_ms. Results: ids.
operation('poll_queue', function(a)
  local taken = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', key.arq_queue(), '-inf', now_ms, 'LIMIT', 0, a.most)) do
    if call('EXISTS', key.arq_job(id)) == 1 and call('SET', key.arq_in_progress(id), '1', 'NX', 'PX', a.lease_ms) then
      call('ZADD', key.arq_queue(), now_ms + a.lease_ms, id)
      table.insert(taken, id)
    end
  end
  return {ids = taken}
end)
