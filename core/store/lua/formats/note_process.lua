-- Say that a process lives and which format it writes, and move the mark: down at once to what the oldest that lives can
-- read, up when for `settle_ms` none has lived that could not read more.
-- Arguments: process, kind ('api', 'worker'), format, oldest_reader (of that format), alive_ms (0: it goes), settle_ms,
-- secret_keys (names of those that it has, the writing one first).
-- A Redis that is full allows it: a process must be able to start then.
-- Results: written, oldest_reader (the mark as it is now; 0: it is no number); older, a format below it that somebody who
-- lives writes; comes (it was not known here).

-- When which secret key last wrote: links that were signed under it work for a while after that. Old ones are looked for when
-- a process comes.
local function note_secret_key(name, comes)
  call('HSET', key.secret_keys_used(), name, integer(now_ms))
  if not comes then return end
  local used = call('HGETALL', key.secret_keys_used())
  for i = 1, #used, 2 do
    if (tonumber(used[i + 1]) or 0) < now_ms - SECRET_KEY_USE_KEPT_MS then call('HDEL', key.secret_keys_used(), used[i]) end
  end
end

-- An older release makes sessions that never end: they are looked for again when it is gone.
local function forget_that_sessions_end()
  call('HDEL', key.formats(), 'sessions_end')
end

-- Where none that speaks here has lived for a while, releases that do not may have been at work, e.g. after a roll-back: what
-- is looked at once they are gone is looked at now.
local function note_silence(processes)
  if next(processes) then return end
  forget_that_sessions_end()
  first_format.note_silence()
end

local function oldest_format(a, processes)
  local oldest = a.format
  for _, process in pairs(processes) do oldest = math.min(oldest, process.format) end
  local unknown_worker = has_unknown_worker(processes)
  if unknown_worker then first_format.note_worker(a.settle_ms) end
  return (unknown_worker or has_unknown_api()) and FIRST_FORMAT or oldest
end

-- A mark that is no number is left to whoever wrote it.
local function move_mark(a, oldest)
  local mark = read_mark()
  if mark.written == 0 or mark.oldest_reader == 0 then return mark end
  local settled = mark.not_before_ms and mark.not_before_ms <= now_ms
  if oldest <= mark.written or not mark.not_before_ms then
    call('HSET', key.formats(), 'not_before_ms', integer(now_ms + a.settle_ms))
  end
  if oldest < mark.written and oldest >= mark.oldest_reader then
    call('HSET', key.formats(), 'written', oldest)
    mark.written = oldest
    forget_that_sessions_end()
  elseif oldest > mark.written and settled and oldest == a.format then
    mark.written, mark.oldest_reader = oldest, math.max(mark.oldest_reader, a.oldest_reader)
    call('HSET', key.formats(), 'written', mark.written, 'oldest_reader', mark.oldest_reader)
  end
  return mark
end

operation('note_process', function(a)
  if a.alive_ms == 0 then
    call('HDEL', key.processes(), a.process)
    local mark = read_mark()
    return {written = mark.written, oldest_reader = mark.oldest_reader}
  end
  local secret_keys = table.concat(a.secret_keys, ',')
  local processes = living_processes()
  note_silence(processes)
  local comes = not processes[a.process]
  note_secret_key(a.secret_keys[1], comes)
  local told = string.format('%.0f:%d:%s:%s', now_ms + a.alive_ms, a.format, a.kind, secret_keys)
  call('HSET', key.processes(), a.process, told)
  processes[a.process] = {format = a.format, kind = a.kind}
  local oldest = oldest_format(a, processes)
  local mark = move_mark(a, oldest)
  local older = oldest < mark.oldest_reader and oldest
  return {written = mark.written, oldest_reader = mark.oldest_reader, older = older, comes = comes}
end, {'allow-oom'})
