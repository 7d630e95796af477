-- A session that takes no more jobs, or was made for one alone, goes with the last of its jobs.
local delete_session_if_over
do
  -- One that cannot be read may be somebody's, so it stays.
  local function is_implicit(record)
    local readable, implicit = pcall(packed_field, record, 'implicit')
    return readable and implicit
  end

  function delete_session_if_over(session)
    if call('ZCARD', key.session_jobs(session)) > 0 then return end
    local found = read_fields(key.session(session), 'rec', 'closed')
    if found.rec and (found.closed or is_implicit(found.rec)) then call('DEL', key.session(session)) end
  end
end

-- The files of a packed session or job, each as its bytes.
local function files_of(record)
  local _, media = packed_field(record, 'media')
  return media and packed_items(media) or {}
end

local remove_from_session, write_session
do
  -- Whether this file of a session came with the job. Records of an older version do not say with which one it came: there
  -- each of the job's own files, which are struck off as they are found, stands for one.
  local function came_with(file, job)
    local brought_by = packed_field(file, 'job_id')
    if brought_by then return brought_by == job.id end
    local function is_same(own, name) return packed_field(own, name) == packed_field(file, name) end
    for i, own in ipairs(job.media or {}) do
      if is_same(own, 'name') and is_same(own, 'url') and is_same(own, 'upload_id') then
        table.remove(job.media, i)
        return true
      end
    end
    return false
  end

  -- What has been uploaded keeps its place, since files are counted; what has not is never brought.
  local function media_without(record, job)
    local left, uploaded = {}, packed_field(record, 'uploaded') or 0
    for i, file in ipairs(files_of(record)) do
      if not came_with(file, job) then
        table.insert(left, file)
      elseif i <= uploaded then
        table.insert(left, cmsgpack.pack({name = REMOVED_NAME, removed = true}))
      end
    end
    return #left > 0 and packed_list(left)
  end

  -- A session's packed record without what a removed job has brought. A timeline that was told after the job's edit shows
  -- that edit too, so it goes as well, unless the writer has just seen it: its own edit is nobody's to take away.
  local function session_without(record, job, writer)
    local changes = {media = media_without(record, job), claim_url = false}
    local by = packed_field(record, 'timeline_of')
    if packed_field(record, 'timeline') and not (by and (by == writer or by < job.id)) then
      changes.timeline, changes.timeline_of = false, cmsgpack.pack('')
    end
    return with_fields(record, changes)
  end

  -- Take a job that is removed out of its session. A worker that runs another job there has an older copy of the record,
  -- from which it is taken out at every commit until that job has ended.
  function remove_from_session(session, job)
    local found = read_fields(key.session(session), 'rec', 'removed')
    local readable, without = pcall(session_without, found.rec, job)
    if not readable then return end
    call('HSET', key.session(session), 'rec', without)
    stamp(key.session(session))
    if call('LLEN', key.session_queue(session)) == 0 then return end
    call('HSET', key.session(session), 'removed', (found.removed and found.removed .. ' ' or '') .. job.id)
  end

  -- Write a session's record as a worker has it, without what was removed since it read it.
  function write_session(session, record, writer)
    local found = read_fields(key.session(session), 'removed', 'fmt')
    for id in string.gmatch(found.removed or '', '%S+') do
      record = session_without(record, {id = id}, writer)
    end
    call('HSET', key.session(session), 'rec', record, 'fmt', fmt_over(found.fmt))
  end
end

local function close_session(session, tenant)
  call('ZREM', key.sessions(tenant), session)
  call('ZREM', key.idle_sessions(), session)
  if call('EXISTS', key.session(session)) == 1 then call('HSET', key.session(session), 'closed', '1') end
  delete_session_if_over(session)
end

-- A job comes into an explicit session, or has ended there: it is kept for so long from now.
local function use_session(session, tenant, idle_ms)
  if call('ZSCORE', key.sessions(tenant), session) then call('ZADD', key.idle_sessions(), now_ms + idle_ms, session) end
end

-- Leave a session's queue; if it was the first there, the next one may be admitted.
local leave_session_queue
do
  -- Who stands first, its rank and its status; one whose record is gone is passed over, and stands there no more.
  local function first_in_queue(queue)
    local id = call('LINDEX', queue, 0)
    while id do
      local found = read_fields(key.job(id), 'rank', 'status')
      if found.rank then return id, found.rank, found.status end
      call('LPOP', queue)
      id = call('LINDEX', queue, 0)
    end
  end

  function leave_session_queue(session, tenant, id)
    local queue = key.session_queue(session)
    local was_first = call('LINDEX', queue, 0) == id
    call('LREM', queue, 1, id)
    if not was_first then return end
    call('HDEL', key.session(session), 'removed')
    local next_id, rank, status = first_in_queue(queue)
    if next_id then join_backlog(tenant, next_id, rank, status) end
  end
end
