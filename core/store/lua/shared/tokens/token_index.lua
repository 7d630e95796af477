-- The index of backend tokens, by which the one that expires first and has enough credits is found in the same time however
-- many there are.
--
-- Tokens that are alike for every job stand in one group: whose they are, what they may do, and what they were refused once,
-- a while ago. A group has its tokens by the credits that are free on them; and, for each level of credits, by their expiry.
-- A level is a power of two, so whoever looks for 50 credits asks the levels from 64 on for their first, and looks closely
-- at the tokens of one level alone.
--
-- Whoever changes a token indexes it anew. What stands in the index of each is kept beside it, so that this costs three
-- looks where nothing has changed, and so that sums over all tokens need no count.

-- the expiry of a token that has none
local NEVER_MS = 9e14
-- tokens that something happens to by itself, all at once, are indexed so many at a time
local WAKES_AT_ONCE = 100
-- and so are those that a process of another version has added or removed
local STRANGERS_AT_ONCE = 100
-- so long after a token was revoked its balance is asked for the first time
local REVOKED_FIRST_ASKED_MS = 2000
-- what the index has of a token that is not in it
local NO_ENTRY = {available = '0', frozen = '0', reserved = '0', wake_ms = '0', kind = '', level = '-'}

local function level_of(credits)
  if not credits then return 'unread' end
  return credits < 1 and 0 or select(2, math.frexp(credits))
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

-- What the index holds of a token, as text: state (for jobs), credits (available, frozen, reserved, free), expiry, wake, level, kind,
-- group. The level is '-' for one that serves nobody. What a token that is over had is no credits that anybody can spend.
local function entry_of(token)
  local free = free_credits(token)
  local usable, alive = is_serving(token) and not is_past(token), is_alive(token)
  return table.concat({
    state_for_jobs(token),
    integer(tonumber(alive and token.available or '0')), integer(tonumber(alive and token.frozen or '0')),
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

local move_entry
do
  local function leave_group(id, entry)
    if entry.level == '-' then return end
    call('ZREM', key.tokens_by_expiry(entry.group, entry.level), id)
    call('ZREM', key.tokens_by_credits(entry.group), id)
    if call('EXISTS', key.tokens_by_credits(entry.group), key.tokens_by_expiry(entry.group, 'unread')) == 0 then
      call('SREM', key.token_groups(entry.owner), entry.group)
    end
  end

  local function join_group(id, entry)
    if entry.level == '-' then return end
    call('ZADD', key.tokens_by_expiry(entry.group, entry.level), entry.expires_ms, id)
    if entry.free ~= '-' then call('ZADD', key.tokens_by_credits(entry.group), entry.free, id) end
    call('SADD', key.token_groups(entry.owner), entry.group)
  end

  -- Whether entries say the same in all of these.
  local function is_alike(before, after, ...)
    for i = 1, select('#', ...) do
      local field = select(i, ...)
      if before[field] ~= after[field] then return false end
    end
    return true
  end

  local function move_in_group(id, before, after)
    if is_alike(before, after, 'group', 'level', 'expires_ms') and after.level ~= '-' then
      if after.free ~= before.free then call('ZADD', key.tokens_by_credits(after.group), after.free, id) end
    else
      if not is_alike(before, after, 'group', 'level') then leave_group(id, before) end
      join_group(id, after)
    end
  end

  local function move_in_sums(before, after)
    if before.state ~= after.state then
      if before.state then add_to_sum('HINCRBY', key.token_sums(), before.state, -1) end
      if after.state then add_to_sum('HINCRBY', key.token_sums(), after.state, 1) end
    end
    for _, kind in ipairs({'available', 'frozen', 'reserved'}) do
      local change = tonumber(after[kind]) - tonumber(before[kind])
      if change ~= 0 then add_to_sum('HINCRBY', key.token_sums(), kind, integer(change)) end
    end
  end

  local function move_in_wakes(id, before, after)
    if before.wake_ms == after.wake_ms then return end
    if after.wake_ms ~= '0' then
      call('ZADD', key.token_wakes(), after.wake_ms, id)
    else
      call('ZREM', key.token_wakes(), id)
    end
  end

  local function move_in_revoked(id, before, after)
    if before.state == after.state then return end
    if after.state == 'revoked' then
      call('ZADD', key.revoked_tokens(), integer(now_ms + REVOKED_FIRST_ASKED_MS), id)
    elseif before.state == 'revoked' then
      call('ZREM', key.revoked_tokens(), id)
    end
  end

  -- Which are the anonymous identity's, and which are not, by their owner.
  local function move_in_kinds(id, before, after)
    if is_alike(before, after, 'kind', 'owner', 'expires_ms') then return end
    if before.kind == 'anonymous' then
      call('ZREM', key.anonymous_tokens(), id)
    elseif before.kind ~= '' then
      call('SREM', key.named_tokens(before.owner), id)
    end
    if after.kind == 'anonymous' then
      call('ZADD', key.anonymous_tokens(), after.expires_ms, id)
    elseif after.kind ~= '' then
      call('SADD', key.named_tokens(after.owner), id)
    end
  end

  -- Change what the index has of a token where that says otherwise now, and nothing else.
  function move_entry(id, before, after)
    move_in_sums(before, after)
    move_in_wakes(id, before, after)
    move_in_revoked(id, before, after)
    move_in_kinds(id, before, after)
    move_in_group(id, before, after)
  end
end

-- Write a token's place in the index anew, or take one out that has left the pool. One that is named in the pool alone has an
-- entry too, so that it is not looked for again and again.
local function index_token(id)
  local token = read_token(id)
  if not token and call('SISMEMBER', key.tokens(), id) == 1 then
    token = {state = 'unreadable', scopes = '', kind = '', tenant = '', expires_ms = 0, rest_until_ms = 0}
  end
  keep_share(id, token)
  local text, text_before = token and entry_of(token), call('HGET', key.token_entries(), id) or nil
  if text == text_before then return end
  local before, after = parse_entry(text_before) or NO_ENTRY, parse_entry(text) or NO_ENTRY
  move_entry(id, before, after)
  if text then
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

local function has_all_tokens()
  local tokens = call('SCARD', key.tokens())
  return tokens == call('HLEN', key.token_entries()) and tokens == call('HLEN', key.token_shares())
end

-- Index again what the index has and the pool has not; returns where the next look goes on.
local function drop_strangers(hash, cursor)
  local found = call('HSCAN', hash, cursor, 'COUNT', STRANGERS_AT_ONCE)
  for i = 1, #found[2], 2 do
    if call('SISMEMBER', key.tokens(), found[2][i]) == 0 then index_token(found[2][i]) end
  end
  return found[1]
end

-- Until when releases ran that change tokens without a word to the index, as long as not all were looked at since. Nil also
-- while they may run: what they change meanwhile would have to be looked at again.
local function changed_unheard_until()
  local found = read_fields(key.formats(), 'first_until_ms', 'tokens_indexed_for_ms')
  local is_over = (tonumber(found.first_until_ms) or now_ms + 1) <= now_ms
  return is_over and found.first_until_ms ~= found.tokens_indexed_for_ms and found.first_until_ms or nil
end

-- A process of another version adds, changes and removes tokens without a word to the index: then some are looked at, from
-- where the last look stopped. Returns whether all are in the index, as they are.
local function index_strangers()
  local unheard = changed_unheard_until()
  if not unheard and has_all_tokens() then return true end
  local pool, entries, shares, round_for =
    string.match(call('GET', key.token_scan()) or '', '^(%d+) (%d+) (%d+) ?(%S*)$')
  if (pool or '0') == '0' then round_for = unheard or '' end
  local found = call('SSCAN', key.tokens(), pool or '0', 'COUNT', STRANGERS_AT_ONCE)
  for _, id in ipairs(found[2]) do index_token(id) end
  entries = drop_strangers(key.token_entries(), entries or '0')
  shares = drop_strangers(key.token_shares(), shares or '0')
  call('SET', key.token_scan(), found[1] .. ' ' .. entries .. ' ' .. shares .. ' ' .. round_for)
  if unheard and found[1] == '0' and round_for == unheard then
    call('HSET', key.formats(), 'tokens_indexed_for_ms', unheard)
    unheard = nil
  end
  return not unheard and has_all_tokens() and call('DEL', key.token_scan()) == 1
end

-- Whether an operator's or this tenant's own token is in the pool: then nobody is anonymous.
local function has_named_tokens(tenant)
  return call('EXISTS', key.named_tokens(tenant), key.named_tokens('*')) > 0
end
