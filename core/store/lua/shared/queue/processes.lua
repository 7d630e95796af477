-- Processes that serve this Redis, by what each says of itself.

-- Who lives, by what each last said: "alive until:format:kind:secret keys". Releases before secret keys were named say
-- nothing of theirs. Those that have died are forgotten, and so is what no process says.
local function living_processes()
  local found, processes = {}, call('HGETALL', key.processes())
  for i = 1, #processes, 2 do
    local until_ms, format, kind, rest = string.match(processes[i + 1], '(%d+):(%d+):(%a+)(.*)')
    if until_ms and tonumber(until_ms) > now_ms then
      found[processes[i]] = {format = tonumber(format), kind = kind, secret_keys = string.sub(rest, 2)}
    else
      call('HDEL', key.processes(), processes[i])
    end
  end
  return found
end

-- Releases before formats do not speak here. Their workers are listed as such, and their APIs listen for events alone. What else a
-- worker says of itself only later ones say: one of ours that is listed and does not speak here yet has been away, or Redis has.
local function has_unknown_worker(processes)
  local workers = call('HGETALL', key.workers())
  for i = 1, #workers, 2 do
    local until_ms = string.match(workers[i + 1], '(%d+):')
    local alive = until_ms and tonumber(until_ms) > now_ms
    if alive and not processes[workers[i]] and call('EXISTS', key.worker(workers[i])) == 0 then return true end
  end
end

-- An API of a release that speaks here listens on a channel of its own too, over the same connection: so it counts as known
-- also where it has not spoken yet, and a connection that died without a word counts as what it was.
local function has_unknown_api()
  local allowed, listeners = pcall(call, 'PUBSUB', 'NUMSUB', channel.events, channel.apis)
  return allowed and listeners[2] > listeners[4]
end
