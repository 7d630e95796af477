-- How an operation is called and answers: named arguments in, as one msgpack map; named results out, as a flat list of
-- names and values. Checks come before the first write in every operation: Redis does not roll back.
--
-- call: redis.call, which there is only while an operation runs.
-- now_ms: the time of the present call. One host's time for all: a lease is written by one process and judged by
-- another. A test says what time it is.
-- written_fmt: the format in which the caller writes records.
-- asked: what was asked once in the present call, and is not again.
local call, now_ms, written_fmt, asked

local function redis_time_ms()
  local seconds_and_us = call('TIME')
  return seconds_and_us[1] * 1000 + math.floor(seconds_and_us[2] / 1000)
end

-- Write a number without the exponent that Lua gives to large ones.
local function integer(number)
  return string.format('%.0f', number)
end

-- A number that is added up, as it stands in a hash; what somebody has written over it, and is none, counts as nothing.
local function sum_of(text)
  return tonumber(text or '') or 0
end

-- Add to such a number, which begins anew where it is none: it must cost no job its end. `command`: HINCRBY, HINCRBYFLOAT.
local function add_to_sum(command, hash, field, by)
  local sum = redis.pcall(command, hash, field, by)
  if type(sum) ~= 'table' then return sum end
  call('HSET', hash, field, math.max(0, tonumber(by)))
end

-- Read some fields of a hash by their names; one that is missing is absent.
local function read_fields(hash, ...)
  local values, names, found = call('HMGET', hash, ...), {...}, {}
  for i = 1, #names do found[names[i]] = values[i] or nil end
  return found
end

-- Results may be strings, whole numbers, true, and lists of strings; false and nil are absent, and read as the default.
local function flat(results)
  local pairs_of_them = {}
  for name, value in pairs(results) do
    if value then
      table.insert(pairs_of_them, name)
      table.insert(pairs_of_them, value == true and 1 or value)
    end
  end
  return pairs_of_them
end

-- Make a function of an operation that others can call as `<name>_<digest of this library>`. Redis refuses one as a whole
-- where it is full, unless its flags say 'no-writes', or 'allow-oom' for those that free memory or take next to none.
local function operation(name, run, flags)
  redis.register_function{
    function_name = name .. '_' .. DIGEST,
    flags = flags or {},
    callback = function(_, arguments)
      call = redis.call
      local a = cmsgpack.unpack(arguments[1])
      now_ms = a.now_ms or redis_time_ms()
      written_fmt = a.fmt
      asked = {}
      return flat(run(a))
    end,
  }
end
