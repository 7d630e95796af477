-- Reserve credits for a job on the best token, or on the one that it holds already.
--
-- Arguments: tenant, job, cost, until_ms (a token must not expire before), needs (scopes), anonymous (whether the
-- installation's own may serve), unread (whether one may whose balance was never read), refused_exports (so many close a
-- token to exports), forgotten_ms (what was said of a token counts for so long), month, month_limit (credits; 0: none), only (this token or nothing).
-- kind (of message, by which costs are learned), least (credits that a token must have, by what this job has learned),
-- last_choice (one with fewer credits than the message may cost is taken too, if they are not known to be too few).
-- Results: token_id; over_budget; neither: none serves.
--
-- A job holds credits on one token at most. Its hash names that token in `reserved_on`, so that its end frees them even
-- where the worker died between taking the token and writing so into the record.

-- How many credits a token must have: as many as the message will probably cost, or did last; as the last choice as many
-- as are not known to be too few.
local function credits_needed(a)
  if a.cost == 0 then return 0 end
  local learned = call('HMGET', key.message_costs(), a.kind, a.kind .. ':too few')
  local too_few = math.max(tonumber(learned[2] or '0'), a.least - 1)
  local wanted = a.last_choice and 1 or math.min(a.cost, tonumber(learned[1] or a.cost))
  return math.max(wanted, too_few + 1)
end

local function holds(words, word)
  return string.find(words, '+' .. word .. '+', 1, true) ~= nil
end

-- Nothing is said of a token that has left the pool.
local function read_token(id)
  local token = read_fields(key.token(id), 'state', 'tenant', 'expires_ms', 'available', 'reserved', 'rest_until_ms',
    'scopes', 'kind', 'blocked', 'denied', 'doubted_ms')
  if not token.state then return nil end
  token.expires_ms = tonumber(token.expires_ms or '0')
  return token
end

local function has_scopes(token, needs)
  local scopes, denied = '+' .. token.scopes .. '+', '+' .. string.gsub(token.denied or '', ' ', '+') .. '+'
  for _, scope in ipairs(needs) do
    if holds(denied, scope) then return false end
    if token.scopes ~= '' and not holds(scopes, scope) and not holds(scopes, '*') then return false end
  end
  return true
end

local function exports(a)
  for _, scope in ipairs(a.needs) do
    if scope == 'render' then return true end
  end
  return false
end

-- Whether a scope that the job needs was refused to this token a while ago: once, which may have been a mishap.
local function was_refused_a_scope(a, id, token)
  if now_ms - tonumber(token.doubted_ms or '0') > a.forgotten_ms then return false end
  for _, scope in ipairs(a.needs) do
    local at_ms = call('HGET', key.token(id), 'doubt scope ' .. scope)
    if at_ms and now_ms - tonumber(at_ms) <= a.forgotten_ms then return true end
  end
  return false
end

local function is_usable(a, token)
  if token.state == 'rate_limited' then return tonumber(token.rest_until_ms or '0') <= now_ms end
  if token.state == 'export_blocked' then
    return not (exports(a) and tonumber(token.blocked or '0') >= a.refused_exports)
  end
  return token.state == 'active'
end

local function fits(a, token, cost)
  if not is_usable(a, token) or not has_scopes(token, a.needs) then return false end
  if token.tenant ~= '' and token.tenant ~= a.tenant then return false end
  if token.expires_ms > 0 and token.expires_ms < a.until_ms then return false end
  if cost > 0 and token.available and tonumber(token.available) - tonumber(token.reserved or '0') < cost then return false end
  return a.anonymous or a.only or token.kind ~= 'anonymous'
end

-- A month's budget holds against what the tenant's ended jobs have spent, and what its running ones may yet spend.
local function is_over_budget(a)
  if a.month_limit == 0 or a.cost == 0 then return false end
  local counted = read_fields(key.usage(a.tenant, a.month), 'credits', 'promised')
  local own = tonumber(call('HGET', key.job(a.job), 'promised') or '0')
  return tonumber(counted.credits or '0') + tonumber(counted.promised or '0') - own + a.cost > a.month_limit
end

-- The token that this job holds already, as long as it is the one asked for, or still fits.
local function held_token(a)
  local id = a.only or call('HGET', key.job(a.job), 'reserved_on')
  if not id or call('HEXISTS', key.token_reservations(id), a.job) == 0 then return nil end
  local token = read_token(id)
  return token and (a.only or fits(a, token, 0)) and id
end

-- A tenant's own first; of the others the one that expires first; one without an expiry last. An export that was
-- refused once, or a scope that was, may have been a passing fault: such a token is the last resort.
local function order(a, id, token)
  local by_owner = token.tenant == '' and 1e15 or 0
  local by_expiry = token.expires_ms == 0 and 9e14 or token.expires_ms
  local is_last_resort = (exports(a) and token.state == 'export_blocked') or was_refused_a_scope(a, id, token)
  return by_owner + by_expiry + (is_last_resort and 1e16 or 0)
end

-- None where the best one's balance was never read and must be: then nobody else is taken in its place.
local function best_token(a)
  local best, best_order, balance_read
  local credits = credits_needed(a)
  for _, id in ipairs(a.only and {a.only} or call('SMEMBERS', key.tokens())) do
    local token = read_token(id)
    if token and fits(a, token, credits) then
      local its_order = order(a, id, token)
      if not best or its_order < best_order then best, best_order, balance_read = id, its_order, token.available end
    end
  end
  return (balance_read or a.unread) and best
end

-- A worker that was frozen while its job ended must not hold credits for it: nobody would free them.
local function reserve(a, token)
  local status = call('HGET', key.job(a.job), 'status')
  if status and END_STATES[status] then return {} end
  if call('HSETNX', key.token_reservations(token), a.job, a.cost) == 1 then
    call('HINCRBY', key.token(token), 'reserved', a.cost)
    note_taken(token)
  end
  if status then
    call('HSET', key.job(a.job), 'reserved_on', token)
    reserve_budget(a.job, a.tenant, a.month, a.cost)
  end
  return {token_id = token}
end

operation('take_token', function(a)
  if is_over_budget(a) then return {over_budget = true} end
  local held = held_token(a)
  if held then return {token_id = held} end
  local elsewhere = call('HGET', key.job(a.job), 'reserved_on')
  if elsewhere then release_token(elsewhere, a.job) end
  local chosen = best_token(a)
  return chosen and reserve(a, chosen) or {}
end)
