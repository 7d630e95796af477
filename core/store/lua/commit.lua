-- Write a job's next record, if the writer still holds it and nobody wrote in between.
-- mode: 'go' (the holder goes on), 'park' (it lets go until wake_ms), 'end' (it is over).
-- owner nil: the API's cancel, or the sweeper's expiry, which only the version fences.
-- Returns {'ok'}, {'again', rec} (this very write was made before; rec is what it wrote), {'lost'} (another holds it),
-- or {'stale', rec} (the record changed; the caller rebases).
-- A write has an id of its own, by which it is known again where its answer was lost with the connection: two writes
-- may well have the same bytes. One that let go is done; one that goes on must still be the holder.
local key = K.job(a.id)
local found = call('HMGET', key, 'ver', 'owner', 'status', 'rec', 'write')
if not found[1] then return {'lost'} end
if found[5] == a.write and (a.mode ~= 'go' or found[2] == a.owner) then return {'again', found[4]} end
if a.owner and found[2] ~= a.owner then
  clear_suspicion(key, a.owner)
  return {'lost'}
end
if tonumber(found[1]) ~= a.version then return {'stale', found[4]} end

call('HSET', key, 'rec', a.rec, 'ver', a.new_version, 'status', a.status, 'write', a.write)
if a.survived then forget_crashes(key) end
if a.unsent_on then call('HDEL', K.token_sent(a.unsent_on), a.id) end
if a.sending then note_sending(a.sending, a.id) end
for field, value in pairs(a.fields) do call('HSET', key, field, value) end
if a.session_rec then call('HSET', K.session(a.session), 'rec', a.session_rec) end
if a.status ~= found[3] then
  call('ZREM', K.jobs_status(a.tenant, found[3]), a.id)
  call('ZADD', K.jobs_status(a.tenant, a.status), 0, a.id)
  if found[3] == 'queued' then
    call('ZREM', K.queued(a.tenant), a.id)
    call('ZREM', K.queued_all(), a.id)
  end
end
emit_all(a.events)
if a.stage_sample then
  call('LPUSH', K.stage_samples(a.stage_sample.stage), a.stage_sample.ms)
  call('LTRIM', K.stage_samples(a.stage_sample.stage), 0, 99)
end

if a.mode == 'park' then
  put_back(a.id, a.wake_ms, key)
elseif a.mode == 'end' then
  call('HSET', key, 'owner', '')
  call('HDEL', key, 'before')
  free_job(a.id, a.tenant, a.session)
  local token = call('HGET', key, 'reserved_on')
  if token then release_reserve(token, a.id) end
  call('ZADD', K.retire(), a.retire_ms, a.id)
  for field, by in pairs(a.usage) do call('HINCRBYFLOAT', K.usage(a.tenant, a.month), field, by) end
  if a.sample_ms then
    call('LPUSH', K.run_samples(), a.sample_ms)
    call('LTRIM', K.run_samples(), 0, 499)
  end
  if a.batch then end_in_batch(a.batch, a.id, a.status) end
  admit(16)
elseif a.wake then
  -- a cancel: its holder hears of it at once, and a sleeping job is woken
  call('PUBLISH', CANCEL_CHANNEL, a.id)
  if found[2] == '' then call('ZADD', K.arq_queue(), 'XX', a.now_ms, a.id) end
end
return {'ok'}
