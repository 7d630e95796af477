-- A worker that stops lets go of what it holds: another goes on at once, and no crash is counted.
-- 'handed' tells who takes a job that its last step may have been half done. A Redis that is full allows it: it takes next to
-- none, and whoever is told to stop does not wait for room.
-- Arguments: owners {id = owner}, in_ms (how long nobody shall go on).
operation('hand_back', function(a)
  for id, owner in pairs(a.owners) do
    if call('HGET', record_key(id), 'owner') == owner then
      if not is_delivery(id) then call('HSET', key.job(id), 'handed', 1) end
      release_lease(id, now_ms + a.in_ms)
    else
      uncount_own_crash(record_key(id), owner)
    end
  end
  return {}
end, {'allow-oom'})
