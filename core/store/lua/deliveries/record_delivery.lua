-- Write what came of a callback attempt.
--
-- Arguments: id, job, owner (absent: nobody holds it), record, status; pending: wake_in_ms; ended: retire_at_ms; and
-- where there is something to say:
--   outcome {url, failed, disabled_why, worn_since_ms, set_at_ms}: how the tenant's default URL did
--   unwanted: why the URL that the job named gets nothing more of this job
--   default_set_at_ms: when the default URL was set for which all this holds; and what is worn out has failed ever since
-- Results: written; default_changed: it was set anew since, or has taken something, and nothing was written; neither:
-- another worker holds it.

-- When a default URL was set; 0 where that is not known, or none is there that can be read.
local function set_at_ms(webhook)
  local readable, at_ms = pcall(packed_field, webhook, 'set_at_ms')
  return readable and at_ms or 0
end

-- Unless it was set anew, or switched off, meanwhile.
local function changes_of(webhook, outcome)
  local failing_since_ms = packed_field(webhook, 'failing_since_ms')
  if packed_field(webhook, 'url') ~= outcome.url or packed_field(webhook, 'state') == 'disabled' then return nil end
  if set_at_ms(webhook) ~= outcome.set_at_ms then return nil end
  if outcome.worn_since_ms and failing_since_ms ~= outcome.worn_since_ms then return nil end
  if outcome.disabled_why then
    return {state = cmsgpack.pack('disabled'), disabled_at_ms = cmsgpack.pack(now_ms),
      disabled_why = cmsgpack.pack(outcome.disabled_why)}
  end
  if not outcome.failed then return {failing_since_ms = false} end
  return not failing_since_ms and {failing_since_ms = cmsgpack.pack(now_ms)}
end

local function note_outcome(tenant, outcome)
  local webhook = call('HGET', key.tenant(tenant), 'webhook')
  local readable, changes = pcall(changes_of, webhook, outcome)
  if readable and changes then call('HSET', key.tenant(tenant), 'webhook', with_fields(webhook, changes)) end
end

-- Whether it has taken something since it was said to have done nothing but fail.
local function has_recovered(webhook, worn_since_ms)
  local readable, since_ms = pcall(packed_field, webhook, 'failing_since_ms')
  return worn_since_ms and readable and since_ms ~= worn_since_ms
end

local function default_changed(tenant, a)
  if not a.default_set_at_ms then return false end
  local webhook = call('HGET', key.tenant(tenant), 'webhook')
  return set_at_ms(webhook) ~= a.default_set_at_ms or has_recovered(webhook, a.outcome and a.outcome.worn_since_ms)
end

local function end_delivery(a)
  call('ZREM', key.leases(), a.id)
  dequeue(a.id)
  call('ZADD', key.retire(), a.retire_at_ms, a.id)
end

operation('record_delivery', function(a)
  local found = read_fields(key.delivery(a.id), 'owner', 'status', 'tenant', 'fmt')
  if not found.owner or (a.owner and found.owner ~= a.owner) then return {} end
  if default_changed(found.tenant, a) then return {default_changed = true} end
  write_delivery(a, found)
  if a.status ~= 'pending' then
    end_delivery(a)
  elseif a.owner then
    release_lease(a.id, now_ms + a.wake_in_ms)
  else
    enqueue(a.id, now_ms + a.wake_in_ms)
  end
  if a.outcome then note_outcome(found.tenant, a.outcome) end
  if a.unwanted and call('EXISTS', key.job(a.job)) == 1 then call('HSET', key.job(a.job), 'unwanted', a.unwanted) end
  return {written = true}
end)
