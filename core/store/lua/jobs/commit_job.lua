-- Write a job's next record, if the writer still holds it and nobody wrote in between.
--
-- Arguments: id, version (of the record that was read), new_version, record, status, tenant, session, mode, fields
-- (what is stored beside the record); at (where a job that has started is shown, see `show_job`);
-- owner (absent: the API's cancel, or the sweeper's expiry, which only the version fences); write (the id of this very
-- write); and where it applies: event, session_record, reset_crashes, audit (an operator does it),
-- stage_sample {stage, ms}, render_sample {profile, ms} (how long the backend took), sending {token, cost, account, moved} (a message
-- is about to go out, or goes on there), unsent_on (the token on which it did not), unheard_on (the token on which nobody
-- listens to it any more), exported_on (the token by which the backend has just taken an export).
-- What would be an operation of its own, right before this one or after it, is done in this one:
--   take (arguments of `take_token`) with untaken, the bytes that the record has in the place of the token
--   balance {token, available, frozen}, as it was read
--   settling (see `settle_token`) with at_sends: only as long as so many messages were ever sent on the token, and none of
--     another job is being worked on
--   use_of: who else uses this token is told, jobs that are over perhaps among them
--   default_webhook: the tenant's, as the event relies on it ('': there is none)
-- mode is one of
--   hold: the holder goes on
--   park: it lets go for wake_in_ms; lends_place: and others may have its place meanwhile
--   end: it is over; session_idle_ms, retire_at_ms, tenant_running_jobs, month, usage {name = by}, run_ms,
--     outcome {group, classes}, batch (`end_in_batch`)
-- Results: outcome 'ok', 'again' with the record that this very write has written before, 'lost' (another holds it),
-- 'stale' with the record as it is now (the caller rebases), 'webhook' with webhook and webhook_fmt (the default is another
-- one now: the event is made anew), or 'shared' (it does not hold what `settling` relies on); with 'ok' token_id, secret (of
-- the token that was taken), sends, others (see `use_of`). Where it is not 'ok', nothing was done.

-- A write has an id of its own, by which it is known again where its answer was lost with the connection: two writes may
-- well have the same bytes. One that let go is done; one that goes on must still be the holder.
local function fenced(a, found)
  if not found.ver then return {outcome = 'lost'} end
  if found.write == a.write and (a.mode ~= 'hold' or found.owner == a.owner) then
    return {outcome = 'again', record = call('HGET', key.job(a.id), 'rec')}
  end
  if a.owner and found.owner ~= a.owner then
    uncount_own_crash(key.job(a.id), a.owner)
    return {outcome = 'lost'}
  end
  if tonumber(found.ver) ~= a.version then return {outcome = 'stale', record = call('HGET', key.job(a.id), 'rec')} end
end

local function other_default(a)
  if not a.default_webhook then return nil end
  local tenant = read_fields(key.tenant(a.tenant), 'webhook', 'fmt')
  if (tenant.webhook or '') == a.default_webhook then return nil end
  return {outcome = 'webhook', webhook = tenant.webhook, webhook_fmt = tenant.fmt}
end

local function write_row(a, found)
  local row = {'rec', a.record, 'ver', a.new_version, 'status', a.status, 'write', a.write, 'fmt', fmt_over(found.fmt)}
  local function add(field, value)
    row[#row + 1], row[#row + 2] = field, value
  end
  for field, value in pairs(a.fields) do add(field, value) end
  if a.at and a.at ~= found.at then add('at', a.at) end
  if a.mode == 'end' then add('owner', '') end
  call('HSET', key.job(a.id), unpack(row))
  if a.mode == 'end' then call('HDEL', key.job(a.id), 'before', 'at') end
  if a.reset_crashes and (found.suspects or found.crashes) then forget_crashes(key.job(a.id)) end
end

local function write_record(a, found)
  write_row(a, found)
  if a.unsent_on then call('HDEL', key.token_sent(a.unsent_on), a.id) end
  if a.sending then note_sending(a.sending, a.id) end
  if a.unheard_on then note_unheard(a.unheard_on, a.id) end
  if a.exported_on then note_export(a.exported_on) end
  show_job(a.id, found.at, a.at)
  if a.session_record then write_session(a.session, a.session_record, a.id) end
  if a.status == found.status then return end
  call('ZREM', key.jobs_status(a.tenant, found.status), a.id)
  call('ZADD', key.jobs_status(a.tenant, a.status), 0, a.id)
  if found.status == 'queued' then
    call('ZREM', key.queued(a.tenant), a.id)
    call('ZREM', key.queued_all(), a.id)
    call('ZREM', key.queued_since(), a.id)
  end
end

-- A list is cut where it is longer by a tenth, so that most samples cost one command.
local function write_sample(list, ms, most)
  if call('LPUSH', list, ms) > 1.1 * most then call('LTRIM', list, 0, most - 1) end
end

local function write_render_sample(sample)
  write_sample(key.render_samples(sample.profile), sample.ms, RENDER_SAMPLES)
  call('PEXPIRE', key.render_samples(sample.profile), RENDER_SAMPLES_LIFE_MS)
end

-- Halve all counts of a group. What was seen once only is forgotten, and so is what is no count. What is no hash has no rows.
local function fade(counts)
  local rows = redis.pcall('HGETALL', counts)
  for i = 1, #rows, 2 do
    local half = is_number(rows[i + 1]) and math.floor(tonumber(rows[i + 1]) / 2) or 0
    if half > 0 then
      call('HSET', counts, rows[i], integer(half))
    else
      call('HDEL', counts, rows[i])
    end
  end
end

-- Count how long a job took and what it cost among those that are like it. A count that is none, or groups and counts of
-- another type, since somebody has written over them, must cost no job its end: hence `pcall` throughout.
local function count_outcome(outcome)
  local counts = key.job_outcomes(outcome.group)
  for _, class in ipairs(outcome.classes) do redis.pcall('HINCRBY', counts, class, 1) end
  local jobs = redis.pcall('HINCRBY', counts, 'jobs', 1)
  if jobs == 1 then redis.pcall('SADD', key.job_groups(), outcome.group) end
  if type(jobs) ~= 'number' or jobs > OUTCOMES_PER_GROUP then fade(counts) end
end

-- Free everything that a job held: its place, its session's next, its tenant's turn, its reservations.
local function free_job(a)
  release_reservations(a.id, a.tenant)
  leave_queue(a.tenant, a.id)
  if call('ZREM', key.backlog(a.tenant), a.id) == 1 then note_backlog(a.tenant) end
  leave_session_queue(a.session, a.tenant, a.id)
  join_ring_if_backlog(a.tenant)
end

local function end_job(a)
  free_job(a)
  call('ZADD', key.retire(), a.retire_at_ms, a.id)
  use_session(a.session, a.tenant, a.session_idle_ms)
  for field, by in pairs(a.usage) do add_to_sum('HINCRBYFLOAT', key.usage(a.tenant, a.month), field, by) end
  call('PEXPIRE', key.usage(a.tenant, a.month), USAGE_LIFE_MS)
  if a.run_ms then write_sample(key.run_samples(), a.run_ms, RUN_SAMPLES) end
  if a.outcome then count_outcome(a.outcome) end
  if a.batch then end_in_batch(a.batch, a.id, a.status) end
  admit_jobs(16, a.tenant_running_jobs)
end

-- A cancel: the job's holder hears of it at once, and a sleeping job is woken, and has its place again.
local function wake(id, owner)
  call('PUBLISH', channel.cancel, id)
  if owner ~= '' then return end
  move_ahead(id)
  call('ZREM', key.asleep(), id)
end

-- Take a token for a job that begins, and write it into the record in its place, or nothing there.
local function taken_token(a)
  if not a.take then return {} end
  local taken = take_token(a.take)
  local from, to = string.find(a.record, a.untaken, 1, true)
  a.record = string.sub(a.record, 1, from - 1) .. cmsgpack.pack(taken.token_id) .. string.sub(a.record, to + 1)
  return taken
end

operation('commit_job', function(a)
  local found = read_fields(key.job(a.id), 'ver', 'owner', 'status', 'write', 'at', 'fmt', 'crashes', 'suspects')
  local outcome = fenced(a, found) or other_default(a)
  if outcome then return outcome end
  if a.settling and a.settling.at_sends ~= sends_if_alone(a.settling.token, a.id) then return {outcome = 'shared'} end
  write_audit(a.audit, 'done')
  local taken = taken_token(a)
  write_record(a, found)
  if a.balance then write_balance(a.balance.token, a.balance) end
  if a.settling then settle_token(a.settling, a.id) end
  if a.event then emit(a.event) end
  if a.stage_sample then write_sample(key.stage_samples(a.stage_sample.stage), a.stage_sample.ms, STAGE_SAMPLES) end
  if a.render_sample then write_render_sample(a.render_sample) end
  if a.mode == 'park' then
    release_lease(a.id, now_ms + a.wake_in_ms)
    if a.lends_place then lend_place(a.id, now_ms + a.wake_in_ms) end
  elseif a.mode == 'end' then
    end_job(a)
  elseif not a.owner then
    wake(a.id, found.owner)
  end
  local sends, others
  if a.use_of then sends, others = use_of(a.use_of, a.id) end
  return {outcome = 'ok', token_id = taken.token_id, secret = taken.secret, sends = sends, others = others}
end)
