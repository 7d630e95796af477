-- A session that takes no more jobs, or was made for one alone, goes with the last of its jobs.
local function delete_session_if_over(session)
  if call('ZCARD', key.session_jobs(session)) > 0 then return end
  local found = read_fields(key.session(session), 'rec', 'closed')
  if found.rec and (found.closed or cmsgpack.unpack(found.rec).implicit) then call('DEL', key.session(session)) end
end

-- Whether this file of a session came with the job. Records of an older version do not say with which one it came: there
-- each of the job's own files, which are struck off as they are found, stands for one.
local function came_with(file, job)
  if file.job_id then return file.job_id == job.id end
  for i, own in ipairs(job.media or {}) do
    if own.name == file.name and own.url == file.url and own.upload_id == file.upload_id then
      table.remove(job.media, i)
      return true
    end
  end
  return false
end

-- What has been uploaded keeps its place, since files are counted; what has not is never brought.
local function media_without(record, job)
  local left = {}
  for i, file in ipairs(record.media or {}) do
    if not came_with(file, job) then
      table.insert(left, file)
    elseif i <= (record.uploaded or 0) then
      table.insert(left, {name = REMOVED_NAME, removed = true})
    end
  end
  return #left > 0 and left or nil
end

-- A session's record without what a removed job has brought. A timeline that was told after the job's edit shows that
-- edit too, so it goes as well, unless the writer has just seen it: its own edit is nobody's to take away.
local function session_without(record, job, writer)
  record.media = media_without(record, job)
  record.claim_url = nil
  local by = record.timeline_of
  if record.timeline and not (by and (by == writer or by < job.id)) then
    record.timeline, record.timeline_of = nil, ''
  end
  return record
end

-- Take a job that is removed out of its session. A worker that runs another job there has an older copy of the record,
-- from which it is taken out at every commit until that job has ended.
local function remove_from_session(session, job)
  local found = read_fields(key.session(session), 'rec', 'removed')
  if not found.rec then return end
  call('HSET', key.session(session), 'rec', cmsgpack.pack(session_without(cmsgpack.unpack(found.rec), job)))
  if call('LLEN', key.session_queue(session)) == 0 then return end
  call('HSET', key.session(session), 'removed', (found.removed and found.removed .. ' ' or '') .. job.id)
end

-- Write a session's record as a worker has it, without what was removed since it read it.
local function write_session(session, record, writer)
  local removed = call('HGET', key.session(session), 'removed')
  for id in string.gmatch(removed or '', '%S+') do
    record = cmsgpack.pack(session_without(cmsgpack.unpack(record), {id = id}, writer))
  end
  call('HSET', key.session(session), 'rec', record)
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
