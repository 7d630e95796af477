-- Take a job or a delivery, for as long as the lease lasts. Returns {word, ...}:
-- 'gone' (ended, or never was), 'held' (by another, for so long), or
-- 'yours' rec ver crashes session-rec tenant-webhook taken-over.
local key = record_key_of(a.id)
local found = call('HMGET', key, 'rec', 'ver', 'status', 'owner', 'tenant', 'session')
local status = found[3]
if not status or a.ends[status] then
  forget_bell(a.id)
  return {'gone'}
end
local lease_ends = tonumber(call('ZSCORE', K.leases(), a.id) or '0')
-- A process that has said that it lives since it was suspected: when it last did is its "alive until" less a lease.
local function said_since(owner, since_ms)
  local said = call('HGET', K.workers(), process_of(owner))
  local until_ms = said and tonumber(string.match(said, '(%d+):'))
  return until_ms and until_ms - a.lease_ms > since_ms
end
local left_behind = found[4] ~= '' and found[4] ~= a.owner
if left_behind and lease_ends > a.now_ms then
  call('ZADD', K.arq_queue(), 'XX', lease_ends, a.id)
  return {'held'}
end
if left_behind then suspect(key, found[4]) end
clear_suspicion(key, a.owner)
clear_those_alive(key, said_since)
local half_done = left_behind or call('HDEL', key, 'handed') == 1
take_lease(a.id, a.owner, a.now_ms + a.lease_ms, key)
local session_rec = false
if found[6] then session_rec = call('HGET', K.session(found[6]), 'rec') end
return {'yours', found[1], found[2], call('HGET', key, 'crashes') or '0', session_rec,
  call('HGET', K.tenant(found[5]), 'webhook') or false, half_done and 1 or 0, call('HGET', key, 'event') or false}
