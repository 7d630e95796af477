-- JSON that callers read and that only an operation can write, since what it says is known only here.

-- Ids, words and times of ours: nothing in them has to be escaped.
local function json_string(text)
  return text and '"' .. text .. '"' or 'null'
end

local function json_number(number, form)
  return number and string.format(form or '%d', number) or 'null'
end

local function json_array(items)
  return '[' .. table.concat(items, ',') .. ']'
end

-- Names and values in turn; the values are JSON already.
local function json_object(...)
  local members = {}
  for i = 1, select('#', ...), 2 do
    local name, value = select(i, ...)
    table.insert(members, '"' .. name .. '":' .. value)
  end
  return '{' .. table.concat(members, ',') .. '}'
end
