-- Put a tenant's signing secrets in the place of those that were read, unless somebody has written there since.
-- Arguments: tenant, before (absent: it has none), after. Results: done.
operation('replace_signing_secrets', function(a)
  local tenant = key.tenant(a.tenant)
  if (call('HGET', tenant, 'secrets') or nil) ~= a.before then return {} end
  call('HSET', tenant, 'secrets', a.after)
  stamp(tenant)
  return {done = true}
end)
