-- A worker that stops lets go of what it holds: another goes on at once, and no crash is counted.
-- 'handed' tells it that the last step may have been half done.
local given = 0
for id, owner in pairs(a.owners) do
  local key = record_key_of(id)
  if call('HGET', key, 'owner') == owner then
    call('HSET', key, 'handed', 1)
    put_back(id, a.now_ms, key)
    given = given + 1
  else
    clear_suspicion(key, owner)
  end
end
return given
