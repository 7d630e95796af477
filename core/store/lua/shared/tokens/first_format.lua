-- Releases of the first format count how often a token was taken, and write down no message that they send. While they may
-- run, what they do is told from their reservations.

local first_format = {}
do
  -- So long after one of their workers was seen its messages may still be worked on, and its jobs hold tokens.
  local AFTERLIFE_MS = 3600000

  local function known()
    if not asked.first_format then
      local found = read_fields(key.formats(), 'first_until_ms', 'first_comings')
      local until_ms = tonumber(found.first_until_ms) or 0
      asked.first_format = {until_ms = until_ms, comings = tonumber(found.first_comings) or 0}
    end
    return asked.first_format
  end

  local function may_run_until(until_ms)
    if not first_format.runs() then call('HINCRBY', key.formats(), 'first_comings', 1) end
    call('HSET', key.formats(), 'first_until_ms', integer(until_ms))
    asked.first_format = nil
  end

  function first_format.runs()
    return known().until_ms > now_ms
  end

  -- How often they came where none was known to run. What they did on tokens before that was known nobody here can tell: so
  -- each coming counts as a message on every token.
  function first_format.comings()
    return known().comings
  end

  -- One of their workers lives.
  function first_format.note_worker(settle_ms)
    may_run_until(now_ms + math.max(settle_ms, AFTERLIFE_MS))
  end

  -- They may have run until now, and nobody was there to see it.
  function first_format.note_silence()
    if known().until_ms < now_ms then may_run_until(now_ms) end
  end

  -- Whether a worker is listed that is no process of ours, of which ever: that is soon told where there is none.
  local function has_strangers()
    local workers = call('HKEYS', key.workers())
    for _, told in ipairs(#workers > 0 and call('HMGET', key.processes(), unpack(workers)) or {}) do
      if not told then return true end
    end
  end

  -- Processes look round every other second, or later: who judges what was done meanwhile looks too.
  function first_format.look_round()
    if first_format.runs() or not has_strangers() then return end
    if has_unknown_worker(living_processes()) then first_format.note_worker(0) end
  end
end
