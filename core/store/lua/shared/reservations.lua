-- Reservations of a job: credits of a token, and a share of its tenant's budget for the month.

local function release_token(token, job)
  local credits = call('HGET', key.token_reservations(token), job)
  if credits then
    call('HDEL', key.token_reservations(token), job)
    call('HINCRBY', key.token(token), 'reserved', -tonumber(credits))
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

local function reserve_budget(job, tenant, month, credits)
  release_budget(job, tenant)
  call('HSET', key.job(job), 'promised', credits, 'promised_month', month)
  call('HINCRBYFLOAT', key.usage(tenant, month), 'promised', credits)
end

-- A balance as it was just read. An exhausted token with credits in it serves again.
local function write_balance(token, balance)
  if call('EXISTS', key.token(token)) == 0 then return end
  call('HSET', key.token(token), 'available', balance.available, 'frozen', balance.frozen, 'read_at_ms', now_ms)
  call('HDEL', key.token(token), 'doubt refused')
  if balance.available > 0 and call('HGET', key.token(token), 'state') == 'exhausted' then
    call('HSET', key.token(token), 'state', 'active')
  end
end
