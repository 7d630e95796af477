-- Reservations of a job: credits of a token, and a share of its tenant's budget for the month; what a message costs, and
-- what else its calls have taught of a token.

-- A message is about to be sent on a token: `sending` is {token, cost}.
local function note_sending(sending, job)
  if call('EXISTS', key.token(sending.token)) == 0 then return end
  call('HSET', key.token_sent(sending.token), job, integer(sending.cost) .. ':' .. integer(now_ms))
  call('HINCRBY', key.token(sending.token), 'sends', 1)
end

-- Releases of the first format count how often a token was taken, and write down no message that they send. While they
-- may run, what they do is told from their reservations, and what is done here is counted as they do.
local function first_format_runs()
  return (tonumber(call('HGET', key.formats(), 'first_until_ms') or '0') or 0) > now_ms
end

local function note_taken(token)
  if first_format_runs() then call('HINCRBY', key.token(token), 'taken', 1) end
end

local function messages_ever(token)
  local counted = read_fields(key.token(token), 'sends', 'taken')
  return tonumber(counted.sends or '0') + tonumber(counted.taken or '0')
end

local function others_at_work(token, job)
  local messages = first_format_runs() and key.token_reservations(token) or key.token_sent(token)
  return call('HLEN', messages) - (job and call('HEXISTS', messages, job) or 0)
end

-- A release that writes down no message takes none off the list either when its job ends.
local function forget_ended_messages(token)
  for _, job in ipairs(call('HKEYS', key.token_sent(token))) do
    local status = call('HGET', key.job(job), 'status')
    if not status or END_STATES[status] then call('HDEL', key.token_sent(token), job) end
  end
end

-- Messages that were ever sent on a token; nil where another job's is being worked on, or where the token was removed.
local function sends_if_alone(token, job)
  if call('EXISTS', key.token(token)) == 0 then return nil end
  forget_ended_messages(token)
  return others_at_work(token, job) == 0 and messages_ever(token) or nil
end

local function release_token(token, job)
  call('HDEL', key.token_sent(token), job)
  local credits = call('HGET', key.token_reservations(token), job)
  if credits then
    call('HDEL', key.token_reservations(token), job)
    call('HINCRBY', key.token(token), 'reserved', -tonumber(credits))
    index_token(token)
  end
  if call('HGET', key.job(job), 'reserved_on') == token then call('HDEL', key.job(job), 'reserved_on') end
end

-- The job has ended, or reserves anew.
local function release_budget(job, tenant)
  local reserved = read_fields(key.job(job), 'promised', 'promised_month')
  if reserved.promised then
    call('HINCRBYFLOAT', key.usage(tenant, reserved.promised_month), 'promised', -tonumber(reserved.promised))
    call('HDEL', key.job(job), 'promised', 'promised_month')
  end
end

-- Free what a job has reserved: it has ended, or does not begin for now.
local function release_reservations(job, tenant)
  release_budget(job, tenant)
  local token = call('HGET', key.job(job), 'reserved_on')
  if token then release_token(token, job) end
end

local function reserve_budget(job, tenant, month, credits)
  release_budget(job, tenant)
  call('HSET', key.job(job), 'promised', credits, 'promised_month', month)
  call('HINCRBYFLOAT', key.usage(tenant, month), 'promised', credits)
  call('PEXPIRE', key.usage(tenant, month), USAGE_LIFE_MS)
end

-- A balance as it was just read. An exhausted token with credits in it serves again.
local function write_balance(token, balance)
  if call('EXISTS', key.token(token)) == 0 then return end
  call('HSET', key.token(token), 'available', balance.available, 'frozen', balance.frozen, 'read_at_ms', now_ms)
  call('HDEL', key.token(token), 'doubt refused')
  if balance.available > 0 and call('HGET', key.token(token), 'state') == 'exhausted' then
    call('HSET', key.token(token), 'state', 'active')
  end
  index_token(token)
end

-- The backend has let a token export: what was refused before was a passing fault.
local function note_export(token)
  if call('HGET', key.token(token), 'state') ~= 'export_blocked' then return end
  call('HSET', key.token(token), 'state', 'active', 'blocked', 0)
  index_token(token)
end

-- What messages of a kind have taught: what the last one cost, and how many credits were too few for one.
local function learn(field, credits)
  call('HSET', key.message_costs(), field, credits)
  call('PEXPIRE', key.message_costs(), MESSAGE_COSTS_LIFE_MS)
end
