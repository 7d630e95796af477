-- What a backend token is, as its hash says: its state now, what it may do, whose it is, what is free of its credits.

local SCOPES = {'read', 'write', 'upload', 'render'}
local NUMBERS = {'expires_ms', 'available', 'frozen', 'reserved', 'rest_until_ms', 'read_at_ms', 'blocked',
  'doubt scope read', 'doubt scope write', 'doubt scope upload', 'doubt scope render'}
local NAMES = {'state', 'tenant', 'kind'}
-- numbers of this size and above are neither credits nor times, and no sum could hold them
local ABSURD = 1e15
-- states in which a token serves, or will again
local LIVING = {active = true, exhausted = true, export_blocked = true, rate_limited = true}

local function holds(words, word)
  return string.find(words, '+' .. word .. '+', 1, true) ~= nil
end

-- Whether a text is a number that can be written again: infinities and what is no number at all are not.
local function is_number(text)
  local number = tonumber(text)
  return number and number > -ABSURD and number < ABSURD
end

-- The state of a token that nothing keeps from serving any more: refused exports are remembered meanwhile.
local function serving_state(blocked)
  return (tonumber(blocked) or 0) > 0 and 'export_blocked' or 'active'
end

-- Nothing is said of a token that has left the pool. One of which a field is missing, is no number, or could not stand in
-- the index between bars, serves nobody.
local function read_token(id)
  local token = read_fields(key.token(id), 'state', 'tenant', 'expires_ms', 'available', 'frozen', 'reserved',
    'rest_until_ms', 'read_at_ms', 'scopes', 'kind', 'blocked', 'denied', 'doubted_ms', 'doubt scope read',
    'doubt scope write', 'doubt scope upload', 'doubt scope render')
  if not token.state then return nil end
  if not (token.scopes and token.kind and token.tenant) then token.state = 'unreadable' end
  for _, name in ipairs(NUMBERS) do
    if token[name] and not is_number(token[name]) then token[name], token.state = nil, 'unreadable' end
  end
  for _, name in ipairs(NAMES) do
    if token[name] and string.find(token[name], '|', 1, true) then
      token[name] = nil
      token.state = 'unreadable'
    end
  end
  token.scopes, token.kind, token.tenant = token.scopes or '', token.kind or '', token.tenant or ''
  token.expires_ms = tonumber(token.expires_ms or '0')
  token.rest_until_ms = tonumber(token.rest_until_ms or '0')
  -- what rests after a 429 serves again by itself
  if token.state == 'rate_limited' and token.rest_until_ms <= now_ms then token.state = serving_state(token.blocked) end
  return token
end

local function is_closed_to_exports(token)
  return token.state == 'export_blocked' and tonumber(token.blocked or '0') >= REFUSED_EXPORTS
end

-- Its time has passed, which nobody writes.
local function is_past(token)
  return token.expires_ms > 0 and token.expires_ms < now_ms
end

-- A state in which jobs may still export, as far as anybody knows, is none to count or to end a job by: one refusal may be a
-- mishap. One whose time has passed has expired, though nobody wrote that; of the anonymous identity there is another one at
-- once.
local function state_for_jobs(token)
  if LIVING[token.state] and is_past(token) and token.kind ~= 'anonymous' then return 'expired' end
  return token.state == 'export_blocked' and not is_closed_to_exports(token) and 'active' or token.state
end

-- Whether its scopes allow it: those that it was given, without those that were refused.
local function is_allowed(token, scope)
  if holds('+' .. string.gsub(token.denied or '', ' ', '+') .. '+', scope) then return false end
  local scopes = '+' .. token.scopes .. '+'
  return token.scopes == '' or holds(scopes, scope) or holds(scopes, '*')
end

local function may(token, scope)
  return is_allowed(token, scope) and not (scope == 'render' and is_closed_to_exports(token))
end

-- Until when it counts that this scope was refused to the token once, which may have been a mishap; nil: it does not.
local function doubted_until_ms(token, scope)
  local at_ms = tonumber(token['doubt scope ' .. scope] or '0')
  return at_ms > 0 and now_ms - at_ms <= REFUSAL_FORGOTTEN_MS and at_ms + REFUSAL_FORGOTTEN_MS + 1 or nil
end

local function is_doubted(token, scope)
  return (scope == 'render' and token.state == 'export_blocked') or doubted_until_ms(token, scope) ~= nil
end

local function is_serving(token)
  return token.state == 'active' or token.state == 'export_blocked'
end

-- Whether it is worth asking for its balance: it was not refused for good, and its time has not passed.
local function is_alive(token)
  return LIVING[token.state] and not is_past(token)
end

-- What is free of a token's credits; nil: its balance was never read.
local function free_credits(token)
  return token.available and tonumber(token.available) - tonumber(token.reserved or '0')
end

-- Everybody's tokens are of '*', which no tenant is called.
local function owner_of(token)
  return token.tenant == '' and '*' or token.tenant
end

-- When something of a token changes although nobody writes it; 0: never.
local function wake_ms_of(token)
  local first_ms = 0
  local function consider(at_ms)
    if at_ms and (first_ms == 0 or at_ms < first_ms) then first_ms = at_ms end
  end
  if token.state == 'rate_limited' then consider(token.rest_until_ms) end
  if token.expires_ms > 0 and not is_past(token) then consider(token.expires_ms + 1) end
  for _, scope in ipairs(SCOPES) do consider(doubted_until_ms(token, scope)) end
  return first_ms
end
