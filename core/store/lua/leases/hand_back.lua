-- A worker that stops lets go of what it holds: another goes on at once, and no crash is counted.
-- 'handed' tells it that the last step may have been half done.
-- Arguments: owners {id = owner}, in_ms (how long nobody shall go on).
operation('hand_back', function(a)
  for id, owner in pairs(a.owners) do
    if call('HGET', record_key(id), 'owner') == owner then
      call('HSET', record_key(id), 'handed', 1)
      release_lease(id, now_ms + a.in_ms)
    else
      uncount_own_crash(record_key(id), owner)
    end
  end
  return {}
end)
