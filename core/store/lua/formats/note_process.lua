-- Say that a process lives and which format it writes, and move the mark: down at once to what the oldest that lives can
-- read, up when for `settle_ms` none has lived that could not read more.
-- Arguments: process, kind ('api', 'worker'), format, oldest_reader (of that format), alive_ms (0: it goes), settle_ms.
-- A Redis that is full allows it: a process must be able to start then.
-- Results: written, oldest_reader (the mark as it is now); older, a format below it that somebody who lives writes.

-- Who lives, by what each last said: "alive until:format:kind". Those that have died are forgotten.
local function living()
  local found, processes = {}, call('HGETALL', key.processes())
  for i = 1, #processes, 2 do
    local until_ms, format, kind = string.match(processes[i + 1], '(%d+):(%d+):(%a+)')
    if tonumber(until_ms) > now_ms then
      found[processes[i]] = {format = tonumber(format), kind = kind}
    else
      call('HDEL', key.processes(), processes[i])
    end
  end
  return found
end

-- Releases before formats do not speak here. Their workers are listed as such, and their APIs listen for events.
local function has_unknown_worker(processes)
  local workers = call('HGETALL', key.workers())
  for i = 1, #workers, 2 do
    local until_ms = tonumber(string.match(workers[i + 1], '(%d+):'))
    if until_ms > now_ms and not processes[workers[i]] then return true end
  end
end

local function has_unknown_api(processes)
  local known = 0
  for _, process in pairs(processes) do
    if process.kind == 'api' then known = known + 1 end
  end
  local allowed, listeners = pcall(call, 'PUBSUB', 'NUMSUB', EVENTS_CHANNEL)
  return allowed and listeners[2] > known
end

local function oldest_format(a, processes)
  local oldest = a.format
  for _, process in pairs(processes) do oldest = math.min(oldest, process.format) end
  local unknown_worker = has_unknown_worker(processes)
  if unknown_worker then call('HSET', key.formats(), 'first_until_ms', integer(now_ms + a.settle_ms)) end
  return (unknown_worker or has_unknown_api(processes)) and FIRST_FORMAT or oldest
end

local function move_mark(a, oldest)
  local mark = read_mark()
  local settled = mark.not_before_ms and mark.not_before_ms <= now_ms
  if oldest <= mark.written or not mark.not_before_ms then
    call('HSET', key.formats(), 'not_before_ms', integer(now_ms + a.settle_ms))
  end
  if oldest < mark.written and oldest >= mark.oldest_reader then
    call('HSET', key.formats(), 'written', oldest)
  elseif oldest > mark.written and settled and oldest == a.format then
    call('HSET', key.formats(), 'written', oldest, 'oldest_reader', math.max(mark.oldest_reader, a.oldest_reader))
  end
  return read_mark()
end

operation('note_process', function(a)
  if a.alive_ms == 0 then
    call('HDEL', key.processes(), a.process)
    local mark = read_mark()
    return {written = mark.written, oldest_reader = mark.oldest_reader}
  end
  call('HSET', key.processes(), a.process, string.format('%.0f:%d:%s', now_ms + a.alive_ms, a.format, a.kind))
  local oldest = oldest_format(a, living())
  local mark = move_mark(a, oldest)
  return {written = mark.written, oldest_reader = mark.oldest_reader, older = oldest < mark.oldest_reader and oldest}
end, {'allow-oom'})
