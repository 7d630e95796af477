-- Renew the leases that a worker holds. Returns the ids that it no longer holds, and those that are to be canceled.
local lost, canceling = {}, {}
for _, id in ipairs(a.ids) do
  local key = record_key_of(id)
  local found = call('HMGET', key, 'owner', 'status')
  if found[1] ~= a.owners[id] then
    clear_suspicion(key, a.owners[id])
    table.insert(lost, id)
  else
    take_lease(id, a.owners[id], a.now_ms + a.lease_ms, key)
    if found[2] == 'canceling' then table.insert(canceling, id) end
  end
end
return {lost, canceling}
