-- Reservations of a job: credits of a token, and a share of its tenant's budget for the month; what a message costs, and
-- what else its calls have taught of a token.

-- A message counts as its token's being taken, which is all that releases of the first format look at: a job of theirs may be
-- on the token though nobody here has heard of them yet.
local function count_message(token)
  add_to_sum('HINCRBY', key.token(token), 'taken', 1)
end

-- Tokens of one account pay from one balance: a message by one of them counts on the others that were used lately, and each
-- knows of them. What another one of them has under way may be charged as part of this message, too.
local function count_on_others_of(account, token)
  local hash = redis.sha1hex(account)
  local tokens = key.account_tokens(hash)
  call('SADD', tokens, token)
  call('PEXPIRE', tokens, TOKENS_REMEMBERED_MS)
  local is_one_of_many, is_another_at_work = false, false
  for _, other in ipairs(call('SMEMBERS', tokens)) do
    if call('EXISTS', key.token(other)) == 0 then
      call('SREM', tokens, other)
    elseif other ~= token then
      count_message(other)
      call('HSET', key.token(other), 'account', hash)
      is_one_of_many = true
      is_another_at_work = is_another_at_work or call('EXISTS', key.token_sent(other)) == 1
    end
  end
  if is_one_of_many then call('HSET', key.token(token), 'account', hash) end
  if is_another_at_work then count_message(token) end
end

-- A message is about to be sent on a token: `sending` is {token, cost, account (absent: the backend has not named it)}; or, with
-- `moved`, it was sent on one that is over, and its job goes on with this one: its end takes the message off here, too.
local function note_sending(sending, job)
  if call('EXISTS', key.token(sending.token)) == 0 then return end
  call('HSET', key.token_sent(sending.token), job, integer(sending.cost) .. ':' .. integer(now_ms))
  if sending.moved then call('HSET', key.job(job), 'reserved_on', sending.token) end
  count_message(sending.token)
  if sending.account then count_on_others_of(sending.account, sending.token) end
end

-- Nobody listens to a job's message any more: from now on it is not known whether its credits are still frozen.
local function note_unheard(token, job)
  local sent = call('HGET', key.token_sent(token), job)
  if sent then call('HSET', key.token_sent(token), job, string.match(sent, '^%d+') .. ':0') end
end

-- A job that is taken here may be sent there.
local function note_taken(token)
  if first_format.runs() then count_message(token) end
end

-- Tells whether this has changed the token, which is to be indexed anew then.
local function free_token(token, job)
  call('HDEL', key.token_sent(token), job)
  local credits = call('HGET', key.token_reservations(token), job)
  if credits then
    call('HDEL', key.token_reservations(token), job)
    add_to_sum('HINCRBY', key.token(token), 'reserved', -sum_of(credits))
  end
  if call('HGET', key.job(job), 'reserved_on') == token then call('HDEL', key.job(job), 'reserved_on') end
  return credits
end

local function release_token(token, job)
  if free_token(token, job) then index_token(token) end
end

-- What a job has reserved: on which token, and of which month's budget.
local function read_reservations(job)
  return read_fields(key.job(job), 'reserved_on', 'promised', 'promised_month', 'status')
end

-- The job has ended, or reserves anew.
local function release_budget(job, tenant, reserved)
  if reserved.promised then
    add_to_sum('HINCRBYFLOAT', key.usage(tenant, reserved.promised_month), 'promised', -sum_of(reserved.promised))
    call('HDEL', key.job(job), 'promised', 'promised_month')
  end
end

-- Free what a job has reserved: it has ended, or does not begin for now.
local function release_reservations(job, tenant)
  local reserved = read_reservations(job)
  release_budget(job, tenant, reserved)
  if reserved.reserved_on then release_token(reserved.reserved_on, job) end
end

local function reserve_budget(job, tenant, month, credits, reserved)
  release_budget(job, tenant, reserved)
  call('HSET', key.job(job), 'promised', credits, 'promised_month', month)
  add_to_sum('HINCRBYFLOAT', key.usage(tenant, month), 'promised', credits)
  call('PEXPIRE', key.usage(tenant, month), USAGE_LIFE_MS)
end

-- A balance as it was just read; of an account without a limit none is known. An exhausted token with credits in it serves again.
local function write_balance(token, balance)
  local found = read_fields(key.token(token), 'state', 'digest', 'doubt refused', 'blocked')
  if not (found.state or found.digest) then return end
  local has_some = (balance.unlimited or balance.available > 0) and found.state == 'exhausted'
  local state = has_some and {'state', serving_state(found.blocked)} or {}
  call('HSET', key.token(token), 'available', balance.available or 0, 'frozen', balance.frozen or 0, 'read_at_ms', now_ms,
    unpack(state))
  if balance.unlimited then call('HDEL', key.token(token), 'available', 'frozen') end
  if found['doubt refused'] then call('HDEL', key.token(token), 'doubt refused') end
  index_token(token)
end

-- The backend has let a token export: what was refused before was a passing fault.
local function note_export(token)
  local found = read_fields(key.token(token), 'state', 'blocked')
  if found.state ~= 'export_blocked' and serving_state(found.blocked) == 'active' then return end
  call('HSET', key.token(token), 'state', found.state == 'export_blocked' and 'active' or found.state, 'blocked', 0)
  index_token(token)
end

-- What messages of a kind have taught: what the last one cost, and how many credits were too few for one. Somebody may have
-- written over it, which must cost no job its start or its end: then it is learned anew.
local function learn(field, credits)
  if type(redis.pcall('HSET', key.message_costs(), field, credits)) == 'table' then
    call('DEL', key.message_costs())
    call('HSET', key.message_costs(), field, credits)
  end
  call('PEXPIRE', key.message_costs(), MESSAGE_COSTS_LIFE_MS)
end

-- Of a kind of message what the last one cost, and how many credits were too few; each absent where nobody knows. That so many
-- were too few says nothing of messages a day later: as long as others are learned of, nothing of it would be forgotten.
local function learned_of(kind)
  local told = redis.pcall('HMGET', key.message_costs(), kind, kind .. ':too few', kind .. ':too few since')
  local cost, too_few, since_ms = told[1] or '', told[2] or '', tonumber(told[3] or '')
  local is_old = since_ms and since_ms < now_ms - MESSAGE_COSTS_LIFE_MS
  return is_number(cost) and tonumber(cost), is_number(too_few) and not is_old and tonumber(too_few)
end
