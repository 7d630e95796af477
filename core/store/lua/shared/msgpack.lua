-- Edits packed records without reading them: what is not named here keeps its bytes, whichever release wrote it and of
-- whatever type it is. Raises an error for what is no msgpack; `pcall` it, since one broken record must cost itself alone.

local packed_items, packed_list, packed_field, with_fields
do
  -- How many bytes follow the first one of a value of fixed size: numbers, and small values of unknown types.
  local FIXED = {[0xc0] = 0, [0xc1] = 0, [0xc2] = 0, [0xc3] = 0, [0xca] = 4, [0xcb] = 8, [0xcc] = 1, [0xcd] = 2, [0xce] = 4,
    [0xcf] = 8, [0xd0] = 1, [0xd1] = 2, [0xd2] = 4, [0xd3] = 8, [0xd4] = 2, [0xd5] = 3, [0xd6] = 5, [0xd7] = 9, [0xd8] = 17}

  -- The number that is written in so many bytes after the first one.
  local function big_endian_at(raw, at, width)
    local number = 0
    for i = 1, width do number = number * 256 + string.byte(raw, at + i) end
    return number
  end

  -- Of the value that begins at `at`: how long its head is, how many bytes follow, and how many values.
  local function head(raw, at)
    local byte = string.byte(raw, at)
    if byte < 0x80 or byte >= 0xe0 then return 1, 0, 0 end
    if byte < 0x90 then return 1, 0, 2 * (byte - 0x80) end
    if byte < 0xa0 then return 1, 0, byte - 0x90 end
    if byte < 0xc0 then return 1, byte - 0xa0, 0 end
    if FIXED[byte] then return 1, FIXED[byte], 0 end
    local first = byte < 0xc7 and 0xc4 or byte < 0xca and 0xc7 or byte < 0xdc and 0xd9 or byte < 0xde and 0xdb or 0xdd
    local width = 2 ^ (byte - first)
    local number = big_endian_at(raw, at, width)
    if first == 0xdd then return 1 + width, 0, 2 * number end
    if first == 0xdb then return 1 + width, 0, number end
    return 1 + width, first == 0xc7 and number + 1 or number, 0
  end

  -- Where the value that begins at `at` ends: the place of the next one.
  local function skip(raw, at)
    local left = 1
    while left > 0 do
      local length, bytes, values = head(raw, at)
      at, left = at + length + bytes, left - 1 + values
    end
    return at
  end

  -- The values of a packed list, or the keys and values in turn of a map, each as its bytes.
  function packed_items(raw)
    local length, _, count = head(raw, 1)
    local items, at = {}, 1 + length
    for _ = 1, count do
      local next_at = skip(raw, at)
      table.insert(items, string.sub(raw, at, next_at - 1))
      at = next_at
    end
    if at ~= #raw + 1 then error('not msgpack') end
    return items
  end

  local function big_endian(number)
    return string.char(math.floor(number / 16777216) % 256, math.floor(number / 65536) % 256,
      math.floor(number / 256) % 256, number % 256)
  end

  function packed_list(items)
    return '\221' .. big_endian(#items) .. table.concat(items)
  end

  -- One field of a packed record, read; nil where it is not there.
  function packed_field(raw, name)
    local items = packed_items(raw)
    for i = 1, #items, 2 do
      if cmsgpack.unpack(items[i]) == name then return cmsgpack.unpack(items[i + 1]), items[i + 1] end
    end
  end

  -- A packed record with some fields set, each to its bytes, or with false taken out.
  function with_fields(raw, changes)
    local items, kept = packed_items(raw), {}
    for i = 1, #items, 2 do
      if changes[cmsgpack.unpack(items[i])] == nil then table.insert(kept, items[i] .. items[i + 1]) end
    end
    for name, value in pairs(changes) do
      if value then table.insert(kept, cmsgpack.pack(name) .. value) end
    end
    return '\223' .. big_endian(#kept) .. table.concat(kept)
  end
end
