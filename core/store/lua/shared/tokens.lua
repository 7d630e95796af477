-- The index of backend tokens, by which the one that expires first and has enough credits is found in the same time however
-- many there are.
--
-- Tokens that are alike for every job stand in one group: whose they are, what they may do, and what they were refused once,
-- a while ago. A group has its tokens by the credits that are free on them; and, for each level of credits, by their expiry.
-- A level is a power of two, so whoever looks for 50 credits asks the levels from 64 on for their first, and looks closely
-- at the tokens of one level alone.
--
-- Whoever changes a token indexes it anew. What stands in the index of each is kept beside it, so that this costs two looks
-- where nothing has changed, and so that sums over all tokens need no count.

local SCOPES = {'read', 'write', 'upload', 'render'}
-- the expiry of a token that has none
local NEVER_MS = 9e14
-- tokens that something happens to by itself, all at once, are indexed so many at a time
local WAKES_AT_ONCE = 100

local function holds(words, word)
  return string.find(words, '+' .. word .. '+', 1, true) ~= nil
end

-- Nothing is said of a token that has left the pool. One of which a field is missing serves nobody.
local function read_token(id)
  local token = read_fields(key.token(id), 'state', 'tenant', 'expires_ms', 'available', 'frozen', 'reserved',
    'rest_until_ms', 'scopes', 'kind', 'blocked', 'denied', 'doubted_ms', 'doubt scope read', 'doubt scope write',
    'doubt scope upload', 'doubt scope render')
  if not token.state then return nil end
  if not (token.scopes and token.kind and token.tenant) then token.state = 'unreadable' end
  token.scopes, token.kind, token.tenant = token.scopes or '', token.kind or '', token.tenant or ''
  token.expires_ms = tonumber(token.expires_ms or '0')
  token.rest_until_ms = tonumber(token.rest_until_ms or '0')
  -- what rests after a 429 serves again by itself
  if token.state == 'rate_limited' and token.rest_until_ms <= now_ms then token.state = 'active' end
  return token
end

local function is_closed_to_exports(token)
  return token.state == 'export_blocked' and tonumber(token.blocked or '0') >= REFUSED_EXPORTS
end

local function may(token, scope)
  if scope == 'render' and is_closed_to_exports(token) then return false end
  if holds('+' .. string.gsub(token.denied or '', ' ', '+') .. '+', scope) then return false end
  local scopes = '+' .. token.scopes .. '+'
  return token.scopes == '' or holds(scopes, scope) or holds(scopes, '*')
end

-- Until when it counts that this scope was refused to the token once, which may have been a mishap; nil: it does not.
local function doubted_until_ms(token, scope)
  local at_ms = tonumber(token['doubt scope ' .. scope] or '0')
  return at_ms > 0 and now_ms - at_ms <= REFUSAL_FORGOTTEN_MS and at_ms + REFUSAL_FORGOTTEN_MS + 1 or nil
end

local function is_doubted(token, scope)
  return (scope == 'render' and token.state == 'export_blocked') or doubted_until_ms(token, scope) ~= nil
end

local function is_usable(token)
  return token.state == 'active' or token.state == 'export_blocked'
end

-- What is free of a token's credits; nil: its balance was never read.
local function free_credits(token)
  return token.available and tonumber(token.available) - tonumber(token.reserved or '0')
end

local function level_of(credits)
  if not credits then return 'unread' end
  return credits < 1 and 0 or select(2, math.frexp(credits))
end

-- Everybody's tokens are of '*', which no tenant is called.
local function owner_of(token)
  return token.tenant == '' and '*' or token.tenant
end

-- '<o or a> <may 1111> <doubted 0000> <owner>'
local function group_of(token)
  local mays, doubts = '', ''
  for _, scope in ipairs(SCOPES) do
    mays = mays .. (may(token, scope) and '1' or '0')
    doubts = doubts .. (is_doubted(token, scope) and '1' or '0')
  end
  return (token.kind == 'anonymous' and 'a' or 'o') .. ' ' .. mays .. ' ' .. doubts .. ' ' .. owner_of(token)
end

-- When something of a token changes although nobody writes it; 0: never.
local function wake_ms_of(token)
  if token.state == 'rate_limited' then return token.rest_until_ms end
  local first_ms = 0
  for _, scope in ipairs(SCOPES) do
    local until_ms = doubted_until_ms(token, scope)
    if until_ms and (first_ms == 0 or until_ms < first_ms) then first_ms = until_ms end
  end
  return first_ms
end

-- What the index holds of a token, as text: state, credits (available, frozen, reserved, free), expiry, wake, level, kind,
-- group. The level is '-' for one that serves nobody.
local function entry_of(token)
  local free = free_credits(token)
  local usable = is_usable(token)
  return table.concat({
    token.state, integer(tonumber(token.available or '0')), integer(tonumber(token.frozen or '0')),
    integer(tonumber(token.reserved or '0')), free and integer(free) or '-',
    integer(token.expires_ms > 0 and token.expires_ms or NEVER_MS), integer(wake_ms_of(token)),
    usable and level_of(free) or '-', token.kind, usable and group_of(token) or '- - - ' .. owner_of(token),
  }, '|')
end

local function parse_entry(text)
  if not text then return nil end
  local state, available, frozen, reserved, free, expires_ms, wake_ms, level, kind, group =
    string.match(text, '^(.-)|(.-)|(.-)|(.-)|(.-)|(.-)|(.-)|(.-)|(.-)|(.*)$')
  local owner = string.match(group, '^%S+ %S+ %S+ (.*)$')
  return {state = state, available = available, frozen = frozen, reserved = reserved, free = free, owner = owner,
    expires_ms = expires_ms, wake_ms = wake_ms, level = level, kind = kind, group = group}
end

local function leave_group(id, entry)
  call('ZREM', key.tokens_by_expiry(entry.group, entry.level), id)
  call('ZREM', key.tokens_by_credits(entry.group), id)
  if call('EXISTS', key.tokens_by_credits(entry.group), key.tokens_by_expiry(entry.group, 'unread')) == 0 then
    call('SREM', key.token_groups(entry.owner), entry.group)
  end
end

local function join_group(id, entry)
  call('ZADD', key.tokens_by_expiry(entry.group, entry.level), entry.expires_ms, id)
  if entry.free ~= '-' then call('ZADD', key.tokens_by_credits(entry.group), entry.free, id) end
  call('SADD', key.token_groups(entry.owner), entry.group)
end

local function add_to_sums(entry, sign)
  call('HINCRBY', key.token_sums(), entry.state, sign)
  for _, kind in ipairs({'available', 'frozen', 'reserved'}) do
    if entry[kind] ~= '0' then call('HINCRBY', key.token_sums(), kind, sign * tonumber(entry[kind])) end
  end
end

local function forget_entry(id, entry)
  add_to_sums(entry, -1)
  call('ZREM', key.token_wakes(), id)
  call('ZREM', key.anonymous_tokens(), id)
  call('SREM', key.named_tokens(entry.owner), id)
end

local function write_entry(id, entry)
  add_to_sums(entry, 1)
  if entry.wake_ms ~= '0' then call('ZADD', key.token_wakes(), entry.wake_ms, id) end
  if entry.kind == 'anonymous' then
    call('ZADD', key.anonymous_tokens(), entry.expires_ms, id)
  else
    call('SADD', key.named_tokens(entry.owner), id)
  end
end

-- Write a token's place in the index anew, or take one out that has left the pool. One that is named in the pool alone has an
-- entry too, so that it is not looked for again and again.
local function index_token(id)
  local token = read_token(id)
  if not token and call('SISMEMBER', key.tokens(), id) == 1 then
    token = {state = 'unreadable', scopes = '', kind = '', tenant = '', expires_ms = 0, rest_until_ms = 0}
  end
  local text, text_before = token and entry_of(token), call('HGET', key.token_entries(), id) or nil
  if text == text_before then return end
  local before, after = parse_entry(text_before), parse_entry(text)
  if before then
    forget_entry(id, before)
    if before.level ~= '-' and not (after and after.group == before.group and after.level == before.level) then
      leave_group(id, before)
    end
  end
  if after then
    write_entry(id, after)
    if after.level ~= '-' then join_group(id, after) end
    call('HSET', key.token_entries(), id, text)
  else
    call('HDEL', key.token_entries(), id)
  end
end

-- Index what has changed by itself.
local function wake_tokens()
  for _, id in ipairs(call('ZRANGEBYSCORE', key.token_wakes(), '-inf', now_ms, 'LIMIT', 0, WAKES_AT_ONCE)) do
    call('ZREM', key.token_wakes(), id)
    index_token(id)
  end
end

-- A process of another version adds and removes tokens without a word to the index: then all are looked at once.
local function index_strangers()
  if call('SCARD', key.tokens()) == call('HLEN', key.token_entries()) then return end
  for _, id in ipairs(call('HKEYS', key.token_entries())) do index_token(id) end
  for _, id in ipairs(call('SMEMBERS', key.tokens())) do index_token(id) end
end
