-- Hand what is due to one worker. Until it has claimed an id, arq's own key and the score guard it for one lease.
-- An id whose bell is gone is left to the repair.
local picked = {}
for _, id in ipairs(call('ZRANGEBYSCORE', K.arq_queue(), '-inf', a.now_ms, 'LIMIT', 0, a.most)) do
  if call('EXISTS', K.arq_job(id)) == 1 and call('SET', K.arq_in_progress(id), '1', 'NX', 'PX', a.lease_ms) then
    call('ZADD', K.arq_queue(), a.now_ms + a.lease_ms, id)
    table.insert(picked, id)
  end
end
return picked
