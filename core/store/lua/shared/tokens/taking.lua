-- Takes the best token for a job: `a` is what the operation `take_token` is called with.
--
-- A job holds credits on one token at most. Its hash names that token in `reserved_on`, so that its end frees them even
-- where the worker died between taking the token and writing so into the record.

local take_token
do
  -- How many credits a token must have: as many as the message will probably cost, or did last; as the last choice as many
  -- as are not known to be too few.
  local function credits_needed(a)
    if a.cost == 0 then return 0 end
    local last_cost, too_few = learned_of(a.kind)
    local wanted = a.last_choice and 1 or math.min(a.cost, last_cost or a.cost)
    return math.max(wanted, a.least, (too_few or 0) + 1)
  end

  -- An export that costs nothing finds out whether the plan of its session's token still forbids it: nobody else can.
  local function may_serve(a, token, scope)
    local asks_anew = scope == 'render' and a.only and a.cost == 0
    return may(token, scope) or (asks_anew and is_allowed(token, scope))
  end

  -- Whether a token will do, whatever the index says of it.
  local function fits(a, token, cost)
    -- an export is free, and so is a question
    local needs_no_credits = a.only and a.cost == 0 and token.state == 'exhausted'
    if not (is_serving(token) or needs_no_credits) or (is_past(token) and a.until_ms > 0) then return false end
    for _, scope in ipairs(a.needs) do
      if not may_serve(a, token, scope) then return false end
    end
    if token.tenant ~= '' and token.tenant ~= a.tenant then return false end
    if token.expires_ms > 0 and token.expires_ms < a.until_ms then return false end
    local free = free_credits(token)
    if cost > 0 and free and free < cost then return false end
    return a.anonymous or a.only or token.kind ~= 'anonymous'
  end

  -- A month's budget holds against what the tenant's ended jobs have spent, and what its running ones may yet spend: those to
  -- whom it was promised last month, too.
  local function is_over_budget(a, reserved)
    if a.month_limit == 0 or a.cost == 0 then return false end
    local counted = read_fields(key.usage(a.tenant, a.month), 'credits', 'promised')
    local since_last_month = call('HGET', key.usage(a.tenant, a.month_before), 'promised')
    local promised = sum_of(counted.promised) + sum_of(since_last_month) - sum_of(reserved.promised)
    return sum_of(counted.credits) + promised + a.cost > a.month_limit
  end

  -- The token that this job holds already, as long as it is the one asked for, or still fits.
  local function held_token(a, reserved)
    local id = a.only or reserved.reserved_on
    if not id or call('HEXISTS', key.token_reservations(id), a.job) == 0 then return nil end
    local token = read_token(id)
    return token and (a.only or fits(a, token, 0)) and id
  end

  -- What is looked at of one level of credits, from each of its two ends; and of those in between.
  local LOOKED_AT, LOOKED_AT_BETWEEN = 16, 512

  local function first_on_level(a, group, level)
    local found = call('ZRANGEBYSCORE', key.tokens_by_expiry(group, level), integer(a.until_ms), '+inf', 'WITHSCORES',
      'LIMIT', 0, 1)
    -- of two that expire together the one whose balance is known
    return found[1], found[1] and tonumber(found[2]) + (level == 'unread' and 0.5 or 0)
  end

  -- Of these tokens of a level the one that expires first, of those that have the credits and live as long as they must.
  local function first_that_fits(a, group, level, tokens, credits)
    if #tokens == 0 then return nil end
    local free = call('ZMSCORE', key.tokens_by_credits(group), unpack(tokens))
    local expiries = call('ZMSCORE', key.tokens_by_expiry(group, level), unpack(tokens))
    local best, best_ms
    for i, id in ipairs(tokens) do
      local expires_ms = tonumber(expiries[i] or '0')
      if free[i] and tonumber(free[i]) >= credits and expires_ms >= a.until_ms and not (best and best_ms <= expires_ms) then
        best, best_ms = id, expires_ms
      end
    end
    return best, best_ms
  end

  -- Some of those between two scores: all where they are few, else a stretch that begins one further on with each millisecond,
  -- so that whoever asks again looks at others.
  local function some_between(zset, from, to, count)
    local skipped = now_ms % math.max(1, count - LOOKED_AT_BETWEEN + 1)
    return call('ZRANGEBYSCORE', zset, from, to, 'LIMIT', skipped, LOOKED_AT_BETWEEN)
  end

  -- Some tokens of the level that the credits are on have them, and some do not. The first of them is among those that expire
  -- soon, or else one of those with the credits serves too. Where neither end has one, those that have the credits are looked
  -- at, or those that live long enough, whichever are fewer.
  local function first_on_split_level(a, group, credits)
    local level = level_of(credits)
    local by_credits, by_expiry = key.tokens_by_credits(group), key.tokens_by_expiry(group, level)
    local most, sooner = '(' .. integer(2 ^ level), integer(a.until_ms)
    local rich = call('ZRANGEBYSCORE', by_credits, credits, most, 'LIMIT', 0, LOOKED_AT)
    if #rich == 0 then return nil end
    local early = call('ZRANGEBYSCORE', by_expiry, sooner, '+inf', 'LIMIT', 0, LOOKED_AT)
    local id, expires_ms = first_that_fits(a, group, level, early, credits)
    if id or #early < LOOKED_AT then return id, expires_ms end
    id, expires_ms = first_that_fits(a, group, level, rich, credits)
    if id or #rich < LOOKED_AT then return id, expires_ms end
    local rich_count = call('ZCOUNT', by_credits, credits, most)
    local long_count = call('ZCOUNT', by_expiry, sooner, '+inf')
    local others = rich_count < long_count and some_between(by_credits, credits, most, rich_count)
      or some_between(by_expiry, sooner, '+inf', long_count)
    return first_that_fits(a, group, level, others, credits)
  end

  local function levels_above(group, level)
    local most = call('ZREVRANGE', key.tokens_by_credits(group), 0, 0, 'WITHSCORES')[2]
    local levels = {'unread'}
    for above = level + 1, most and level_of(tonumber(most)) or -1 do table.insert(levels, above) end
    return levels
  end

  -- Where few of a group have the credits, what the index holds of each says when it expires: absent where they are not few.
  local function first_of_few(a, group, credits, consider)
    local rich = call('ZRANGEBYSCORE', key.tokens_by_credits(group), credits > 0 and credits or '-inf', '+inf', 'LIMIT', 0,
      LOOKED_AT + 1)
    if #rich > LOOKED_AT then return nil end
    local entries = #rich > 0 and call('HMGET', key.token_entries(), unpack(rich)) or {}
    for i, id in ipairs(rich) do
      local entry = parse_entry(entries[i] or nil)
      local expires_ms = entry and tonumber(entry.expires_ms)
      if expires_ms and expires_ms >= a.until_ms then consider(id, expires_ms) end
    end
    consider(first_on_level(a, group, 'unread'))
    return true
  end

  -- The token of a group that expires first, of those that have the credits or were never asked for theirs.
  local function first_of_group(a, group, credits)
    local best, best_ms
    local function consider(id, expires_ms)
      if id and (not best or expires_ms < best_ms) then best, best_ms = id, expires_ms end
    end
    if first_of_few(a, group, credits, consider) then return best, best_ms end
    for _, level in ipairs(levels_above(group, credits > 0 and level_of(credits) or -1)) do
      consider(first_on_level(a, group, level))
    end
    if credits > 0 then consider(first_on_split_level(a, group, credits)) end
    return best, best_ms
  end

  -- The groups of an owner whose tokens may do what the job needs. `doubted`: those that were refused some of it once, a while
  -- ago, or those that were not.
  local function groups_for(a, owner, doubted)
    local groups = {}
    for _, group in ipairs(call('SMEMBERS', key.token_groups(owner))) do
      local kind, mays, doubts = string.match(group, '^(%l) (%d+) (%d+) ')
      local suits, is_doubted_one = a.anonymous or kind ~= 'a', false
      for place, scope in ipairs(SCOPES) do
        if a.needed[scope] then
          suits = suits and string.sub(mays, place, place) == '1'
          is_doubted_one = is_doubted_one or string.sub(doubts, place, place) == '1'
        end
      end
      if suits and is_doubted_one == doubted then table.insert(groups, group) end
    end
    return groups
  end

  local function first_of_groups(a, groups, credits)
    local best, best_ms
    for _, group in ipairs(groups) do
      local id, expires_ms = first_of_group(a, group, credits)
      if id and (not best or expires_ms < best_ms) then best, best_ms = id, expires_ms end
    end
    return best
  end

  -- What a process of another version has written is in no index: such a token is put where it belongs, and the next one found.
  local function sure_of_groups(a, owner, doubted, credits)
    while true do
      local id = first_of_groups(a, groups_for(a, owner, doubted), credits)
      if not id then return nil end
      local token = read_token(id)
      if token and fits(a, token, credits) then return id, token end
      local entry = call('HGET', key.token_entries(), id)
      index_token(id)
      if call('HGET', key.token_entries(), id) == entry then return nil end
    end
  end

  -- A tenant's own first; of the others the one that expires first; one without an expiry last. An export that was
  -- refused once, or a scope that was, may have been a passing fault: such a token is the last resort.
  local function find_token(a, credits)
    for _, doubted in ipairs({false, true}) do
      for _, owner in ipairs({a.tenant, '*'}) do
        local id, token = sure_of_groups(a, owner, doubted, credits)
        if id then return id, token end
      end
    end
  end

  local function named_token(a, credits)
    local token = read_token(a.only)
    if token and fits(a, token, credits) then return a.only, token end
  end

  -- None where the best one's balance was never read and must be: then nobody else is taken in its place.
  local function best_token(a)
    a.needed = {}
    for _, scope in ipairs(a.needs) do a.needed[scope] = true end
    local credits = credits_needed(a)
    local id, token
    if a.only then
      id, token = named_token(a, credits)
    else
      index_strangers()
      wake_tokens()
      id, token = find_token(a, credits)
    end
    return id and (token.available or a.unread) and id
  end

  local function taken(token)
    return {token_id = token, secret = call('HGET', key.token(token), 'secret')}
  end

  -- A worker that was frozen while its job ended, or was removed after that, must not hold credits for it: nobody would free
  -- them.
  local function reserve(a, token, reserved)
    if not reserved.status or END_STATES[reserved.status] then return {} end
    if call('HSETNX', key.token_reservations(token), a.job, a.cost) == 1 then
      add_to_sum('HINCRBY', key.token(token), 'reserved', a.cost)
      note_taken(token)
      index_token(token)
    end
    call('HSET', key.job(a.job), 'reserved_on', token)
    reserve_budget(a.job, a.tenant, a.month, a.cost, reserved)
    return taken(token)
  end

  function take_token(a)
    local reserved = read_reservations(a.job)
    if is_over_budget(a, reserved) then return {over_budget = true} end
    local held = held_token(a, reserved)
    if held then return taken(held) end
    if reserved.reserved_on then release_token(reserved.reserved_on, a.job) end
    local chosen = best_token(a)
    return chosen and reserve(a, chosen, reserved) or {}
  end
end
