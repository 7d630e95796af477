-- Counts the workers that died of a job: whoever let its lease run out, until it is heard of again (a starved process was
-- not killed).
--
-- A record's field 'suspects' holds "owner@ms" of each, one a line; 'crashes' is their number.

local function process_of(owner)
  return string.match(owner, '^(.*):[^:]*$') or owner
end

local function count_crash(record, owner)
  local suspects = call('HGET', record, 'suspects') or ''
  call('HSET', record, 'suspects', suspects .. owner .. '@' .. integer(now_ms) .. '\n')
  call('HINCRBY', record, 'crashes', 1)
end

-- Take back the crashes of those of whom `lives(owner, since_ms)` says that they are alive.
local function uncount_crashes(record, lives)
  local suspects = call('HGET', record, 'suspects')
  if not suspects then return end
  local left, cleared = '', 0
  for owner, since_ms in string.gmatch(suspects, '([^\n]*)@(%d+)\n') do
    if lives(owner, tonumber(since_ms)) then
      cleared = cleared + 1
    else
      left = left .. owner .. '@' .. since_ms .. '\n'
    end
  end
  if cleared == 0 then return end
  call('HSET', record, 'suspects', left)
  call('HINCRBY', record, 'crashes', -cleared)
end

-- How long ago the last one was suspected; absent where nobody is.
local function suspected_since_ms(record)
  local last
  for since_ms in string.gmatch(call('HGET', record, 'suspects') or '', '@(%d+)\n') do
    last = math.max(last or 0, tonumber(since_ms))
  end
  return last and now_ms - last
end

-- Whoever hears that it has lost the work lives.
local function uncount_own_crash(record, owner)
  uncount_crashes(record, function(suspected) return process_of(suspected) == process_of(owner) end)
end

local function forget_crashes(record)
  call('HDEL', record, 'crashes', 'suspects')
end
