-- Renew the leases that a worker holds.
-- Arguments: owners {id = owner}, lease_ms.
-- Results: lost, the ids that it no longer holds; canceling, those that are to be canceled.
operation('renew_leases', function(a)
  local lost, canceling = {}, {}
  for id, owner in pairs(a.owners) do
    local found = read_fields(record_key(id), 'owner', 'status')
    if found.owner ~= owner then
      uncount_own_crash(record_key(id), owner)
      table.insert(lost, id)
    else
      take_lease(id, owner, now_ms + a.lease_ms)
      if found.status == 'canceling' then table.insert(canceling, id) end
    end
  end
  return {lost = lost, canceling = canceling}
end)
