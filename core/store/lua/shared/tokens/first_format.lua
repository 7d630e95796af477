-- Releases of the first format count how often a token was taken, and write down no message that they send. While they may
-- run, what they do is told from their reservations.

-- So long after one of their workers was seen its messages may still be worked on, and its jobs hold tokens.
local FIRST_FORMAT_MS = 3600000

-- comings: how often one of their workers was seen where none had been for so long.
local function first_format()
  if not asked.first_format then
    local found = read_fields(key.formats(), 'first_until_ms', 'first_comings')
    local until_ms = tonumber(found.first_until_ms) or 0
    asked.first_format = {runs = until_ms > now_ms, until_ms = until_ms, comings = tonumber(found.first_comings) or 0}
  end
  return asked.first_format
end

local function first_format_runs()
  return first_format().runs
end

-- They may run until then. What they did on tokens before this was known nobody here can tell: so each coming counts as a
-- message on every token.
local function write_first_format(until_ms)
  if not first_format_runs() then call('HINCRBY', key.formats(), 'first_comings', 1) end
  call('HSET', key.formats(), 'first_until_ms', integer(until_ms))
  asked.first_format = nil
end

-- Processes look round every other second, or later: who judges what was done meanwhile looks too.
local function notice_first_format()
  if not first_format_runs() and has_unknown_worker(living_processes()) then
    write_first_format(now_ms + FIRST_FORMAT_MS)
  end
end
