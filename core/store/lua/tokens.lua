-- The token pool. a.do is one of:
-- 'take': reserve credits on the best token for a job; returns {'token', id} or {'none'}
-- 'settle': release a job's reservation and write the balance as read
local function fits(id, t)
  local state, rest = t[1], tonumber(t[6] or '0')
  local rested = (state == 'rate_limited' or state == 'exhausted') and rest > 0 and rest <= a.now_ms
  local usable = state == 'active' or rested or (state == 'export_blocked' and not a.export)
  if not usable or (t[2] ~= '' and t[2] ~= a.tenant) then return false end
  local expires = tonumber(t[3] or '0')
  if expires > 0 and expires < a.until_ms then return false end
  if a.export and t[7] ~= '' and not string.find('+' .. t[7] .. '+', '+render+', 1, true)
    and not string.find('+' .. t[7] .. '+', '+*+', 1, true) then return false end
  if t[4] and tonumber(t[4]) - tonumber(t[5] or '0') < a.cost then return false end
  return true
end

local function facts(id)
  return call('HMGET', K.token(id), 'state', 'tenant', 'expires_ms', 'available', 'reserved', 'rest_until_ms', 'scopes')
end

local function reserve(id)
  if call('HSETNX', K.token_held(id), a.job, a.cost) == 1 then call('HINCRBY', K.token(id), 'reserved', a.cost) end
  return {'token', id}
end

if a['do'] == 'settle' then
  release_reserve(a.token, a.job)
  if a.available then
    call('HSET', K.token(a.token), 'available', a.available, 'frozen', a.frozen, 'read_at_ms', a.now_ms)
    if call('HGET', K.token(a.token), 'state') == 'exhausted' and a.available >= a.least then
      call('HSET', K.token(a.token), 'state', 'active')
    end
  end
  return {'ok', call('HLEN', K.token_held(a.token))}
end

if a.only then
  if call('HEXISTS', K.token_held(a.only), a.job) == 1 then return {'token', a.only} end
  local t = facts(a.only)
  if t[1] and fits(a.only, t) then return reserve(a.only) end
  return {'none'}
end

local best, best_score
for _, id in ipairs(call('SMEMBERS', K.tokens())) do
  if call('HEXISTS', K.token_held(id), a.job) == 1 and fits(id, facts(id)) then return {'token', id} end
  local t = facts(id)
  if t[1] and (a.anonymous or call('HGET', K.token(id), 'kind') ~= 'anonymous') and fits(id, t) then
    local expires = tonumber(t[3] or '0')
    -- a tenant's own first; of the others the one that expires first; one without an expiry last
    local score = (t[2] == '' and 1e15 or 0) + (expires == 0 and 9e14 or expires)
    if not best or score < best_score then best, best_score = id, score end
  end
end
if best then return reserve(best) end
return {'none'}
