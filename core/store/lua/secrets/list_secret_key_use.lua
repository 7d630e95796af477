-- Say which secret keys processes have, by their names.
-- Arguments: none. Results: processes ("host:1:a2 worker 3f2a…,b1c2…" of each that lives, its writing key first; empty of
-- one whose release names none), unknown (somebody lives whose release does not speak here), used ("3f2a… 1795…": the
-- time at which a process last wrote under each key).
operation('list_secret_key_use', function()
  local living, told, used = living_processes(), {}, {}
  for id, process in pairs(living) do table.insert(told, id .. ' ' .. process.kind .. ' ' .. process.secret_keys) end
  local stored = call('HGETALL', key.secret_keys_used())
  for i = 1, #stored, 2 do table.insert(used, stored[i] .. ' ' .. stored[i + 1]) end
  table.sort(told)
  return {processes = told, unknown = has_unknown_worker(living) or has_unknown_api(), used = used}
end)
