-- The token pool. a.do is one of:
-- 'take': reserve credits on the best token for a job; returns {'token', id}, {'none'} or {'over_budget'}
-- 'settle': release a job's reservation, write the balance as read, and what such a message has cost; returns {'ok', how
--   many others hold one}
-- 'too_few': write that so many credits were refused as too few for such a message; returns {'ok'}
-- 'note': write a balance where one was read; returns {'ok', messages sent, those of other jobs not settled} or {'gone'}
-- 'stream_end': write that a job's message is not listened to any more; returns {'ok'}
-- 'mark': write a state, in place of those that it may follow; 'deny': write that a scope was refused; return {'ok'}
-- A job holds credits on one token at most. Its hash names that token in `reserved_on`, so that its end frees them even
-- where the worker died between taking the token and writing so into the record.
local needs = {}
for _, scope in ipairs(a.needs or {}) do needs[scope] = true end

-- What messages of a kind have taught: what the last one cost, and how many credits were too few for one. For a day.
local COSTS_MS = 86400000

local function learn(field, credits)
  call('HSET', K.message_costs(), field, credits)
  call('PEXPIRE', K.message_costs(), COSTS_MS)
end

-- How many credits a token must have: as many as the message will probably cost, or did last; as the last choice as many
-- as are not known to be too few.
local function enough()
  local learned = call('HMGET', K.message_costs(), a.kind, a.kind .. ':too few')
  local too_few = math.max(tonumber(learned[2] or '0'), a.least - 1)
  local wanted = a.last_choice and 1 or math.min(a.cost, tonumber(learned[1] or a.cost))
  if a.cost == 0 then return 0 end
  return math.max(wanted, too_few + 1)
end

local function holds(words, word)
  return string.find(words, '+' .. word .. '+', 1, true) ~= nil
end

local function may(t)
  local scopes, denied = '+' .. t[7] .. '+', '+' .. string.gsub(t[10] or '', ' ', '+') .. '+'
  for scope in pairs(needs) do
    if holds(denied, scope) then return false end
    if t[7] ~= '' and not holds(scopes, scope) and not holds(scopes, '*') then return false end
  end
  return true
end

local function fits(id, t, cost)
  local state, rest = t[1], tonumber(t[6] or '0')
  local rested = state == 'rate_limited' and rest <= a.now_ms
  local blocked = state == 'export_blocked' and needs.render and tonumber(t[9] or '0') >= a.blocked_for_good
  local usable = state == 'active' or rested or (state == 'export_blocked' and not blocked)
  if not usable or (t[2] ~= '' and t[2] ~= a.tenant) then return false end
  local expires = tonumber(t[3] or '0')
  if expires > 0 and expires < a.until_ms then return false end
  if not may(t) then return false end
  if cost > 0 and t[4] and tonumber(t[4]) - tonumber(t[5] or '0') < cost then return false end
  return a.anonymous or a.only or t[8] ~= 'anonymous'
end

-- Nothing is said of a token that has left the pool.
local function facts(id)
  local t = call('HMGET', K.token(id), 'state', 'tenant', 'expires_ms', 'available', 'reserved', 'rest_until_ms',
    'scopes', 'kind', 'blocked', 'denied')
  return t[1] and t
end

-- A worker that was frozen while its job ended must not hold credits for it: nobody would free them.
local function reserve(id)
  local status = call('HGET', K.job(a.job), 'status')
  if status and a.ends[status] then return {'none'} end
  if call('HSETNX', K.token_reservations(id), a.job, a.cost) == 1 then
    call('HINCRBY', K.token(id), 'reserved', a.cost)
    call('HINCRBY', K.token(id), 'taken', 1)
  end
  if status then
    call('HSET', K.job(a.job), 'reserved_on', id)
    keep_no_promise(a.job, a.tenant)
    call('HSET', K.job(a.job), 'promised', a.cost, 'promised_month', a.month)
    call('HINCRBYFLOAT', K.usage(a.tenant, a.month), 'promised', a.cost)
  end
  return {'token', id}
end

-- A month's budget holds against what the tenant's ended jobs have spent, and what its running ones may yet spend.
local function over_budget()
  if a.month_limit == 0 or a.cost == 0 then return false end
  local counted = call('HMGET', K.usage(a.tenant, a.month), 'credits', 'promised')
  local own = tonumber(call('HGET', K.job(a.job), 'promised') or '0')
  return tonumber(counted[1] or '0') + tonumber(counted[2] or '0') - own + a.cost > a.month_limit
end

local function write_balance(id)
  if call('EXISTS', K.token(id)) == 0 then return end
  call('HSET', K.token(id), 'available', a.available, 'frozen', a.frozen, 'read_at_ms', a.now_ms)
  if a.available >= a.least and call('HGET', K.token(id), 'state') == 'exhausted' then
    call('HSET', K.token(id), 'state', 'active')
  end
end

-- The token that this job holds already, as long as it is the one asked for, or still fits.
local function held_token()
  local id = a.only or call('HGET', K.job(a.job), 'reserved_on')
  if not id or call('HEXISTS', K.token_reservations(id), a.job) == 0 then return nil end
  local t = facts(id)
  if t and (a.only or fits(id, t, 0)) then return id end
end

-- A tenant's own first; of the others the one that expires first; one without an expiry last. An export that was
-- refused once may have been a passing fault: such a token is the last resort. None where the best one's balance was
-- never read and must be: then nobody else is taken in its place.
local function best_token(credits)
  local best, best_score, read
  for _, id in ipairs(call('SMEMBERS', K.tokens())) do
    local t = facts(id)
    if t and fits(id, t, credits) then
      local expires = tonumber(t[3] or '0')
      local score = (t[2] == '' and 1e15 or 0) + (expires == 0 and 9e14 or expires)
      if needs.render and t[1] == 'export_blocked' then score = score + 1e16 end
      if not best or score < best_score then best, best_score, read = id, score, t[4] end
    end
  end
  return (read or a.unread) and best
end

if a['do'] == 'note' then
  if call('EXISTS', K.token(a.token)) == 0 then return {'gone'} end
  if a.available then write_balance(a.token) end
  local others = call('HLEN', K.token_sent(a.token)) - call('HEXISTS', K.token_sent(a.token), a.job)
  return {'ok', call('HGET', K.token(a.token), 'sends') or '0', others}
end
if a['do'] == 'stream_end' then
  local sent = call('HGET', K.token_sent(a.token), a.job)
  if sent then call('HSET', K.token_sent(a.token), a.job, string.match(sent, '^%d+') .. ':0') end
  return {'ok'}
end
if a['do'] == 'mark' then
  local before = call('HGET', K.token(a.token), 'state')
  if before and a.instead_of[before] then
    call('HSET', K.token(a.token), 'state', a.state, 'rest_until_ms', a.rest_until_ms)
  end
  return {'ok'}
end
if a['do'] == 'deny' then
  local denied = call('HGET', K.token(a.token), 'denied') or ''
  if call('EXISTS', K.token(a.token)) == 1 and not string.find(denied, a.scope, 1, true) then
    call('HSET', K.token(a.token), 'denied', denied .. ' ' .. a.scope)
  end
  return {'ok'}
end
if a['do'] == 'settle' then
  release_reserve(a.token, a.job)
  if a.available then write_balance(a.token) end
  if a.learned then
    learn(a.kind, a.learned)
    local too_few = call('HGET', K.message_costs(), a.kind .. ':too few')
    if too_few and tonumber(too_few) >= a.learned then call('HDEL', K.message_costs(), a.kind .. ':too few') end
  end
  return {'ok', call('HLEN', K.token_reservations(a.token))}
end
if a['do'] == 'too_few' then
  learn(a.kind .. ':too few', a.credits)
  return {'ok'}
end

if over_budget() then return {'over_budget'} end
local held = held_token()
if held then return {'token', held} end
local elsewhere = call('HGET', K.job(a.job), 'reserved_on')
if elsewhere then release_reserve(elsewhere, a.job) end
local chosen
if a.only then
  local t = facts(a.only)
  chosen = t and fits(a.only, t, enough()) and (t[4] or a.unread) and a.only
else
  chosen = best_token(enough())
end
if chosen then return reserve(chosen) end
return {'none'}
