-- A session that takes no more jobs, or was made for one alone, goes with the last of its jobs.
local function delete_session_if_over(session)
  if call('ZCARD', key.session_jobs(session)) > 0 then return end
  local found = read_fields(key.session(session), 'rec', 'closed')
  if found.rec and (found.closed or cmsgpack.unpack(found.rec).implicit) then call('DEL', key.session(session)) end
end
