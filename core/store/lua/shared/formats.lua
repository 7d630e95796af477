-- Record formats (`core/model/formats.py`): `fmt` beside each record, and the mark for all processes.

-- The format of a record that is written over one of format `before`: one that holds what only a newer release knows stays
-- marked as that one's, whoever writes it.
local function fmt_over(before)
  return math.max(written_fmt, tonumber(before or '0') or 0)
end

local function stamp(hash)
  call('HSET', hash, 'fmt', fmt_over(call('HGET', hash, 'fmt')))
end

-- A format as the mark says it; 0, which no release reads, for what is no number (`core.model.formats.read_format`).
local function read_format(told)
  if not told then return FIRST_FORMAT end
  return #told <= 9 and string.find(told, '^%d+$') and tonumber(told) or 0
end

local function read_mark()
  local found = read_fields(key.formats(), 'written', 'oldest_reader', 'not_before_ms')
  return {
    written = read_format(found.written),
    oldest_reader = read_format(found.oldest_reader),
    not_before_ms = tonumber(found.not_before_ms),
  }
end

-- Whether this release understands what is marked so. What is no number is nothing that it knows.
local function is_readable(fmt)
  fmt = tonumber(fmt or FIRST_FORMAT)
  if not fmt then return false end
  if fmt <= FORMAT then return fmt >= READS_FROM end
  local mark = read_mark()
  return fmt <= mark.written and mark.oldest_reader <= FORMAT
end
