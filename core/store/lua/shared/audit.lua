-- The audit trail: what operators have done, written in the same step as what they did.
--
-- `entry` is {user, host, action, ids, tenant, attempt} as `core.store.audit.AuditEntry` has it; absent: no operator acts.
-- Returns the entry's id. It comes before all else that is written: where it fails, nothing is done.
local function write_audit(entry, outcome)
  if not entry then return nil end
  local fields = {'outcome', outcome}
  for name, value in pairs(entry) do
    table.insert(fields, name)
    table.insert(fields, value)
  end
  local id = call('XADD', key.audit(), 'MAXLEN', '~', AUDIT_ENTRIES, '*', unpack(fields))
  call('XTRIM', key.audit(), 'MINID', '~', integer(now_ms - AUDIT_LIFE_MS))
  call('PEXPIRE', key.audit(), AUDIT_LIFE_MS)
  return id
end
