-- Settles what a job's message has cost: releases its reservation on a token, writes the balance where one was read, and learns
-- what such a message has cost. `settling` is {token, balance {available, frozen}, kind, learned (credits)}.
local function settle_token(settling, job)
  if settling.balance then
    free_token(settling.token, job)
    write_balance(settling.token, settling.balance)
  else
    release_token(settling.token, job)
  end
  if not settling.learned then return end
  learn(settling.kind, settling.learned)
  local _, too_few = learned_of(settling.kind)
  if too_few and too_few >= settling.learned then
    call('HDEL', key.message_costs(), settling.kind .. ':too few')
  end
end

local use_of, sure_use_of
do
  local MESSAGES_LOOKED_AT = 4

  local function messages_ever(token)
    return sum_of(call('HGET', key.token(token), 'taken') or nil) + first_format.comings()
  end

  local function others_at_work(token, job)
    local messages = first_format.runs() and key.token_reservations(token) or key.token_sent(token)
    return call('HLEN', messages) - (job and call('HEXISTS', messages, job) or 0)
  end

  -- A release that writes down no message takes none off the list either when its job ends. Some are looked at each time:
  -- where there are more, others are at work anyway.
  local function forget_ended_messages(token)
    for _, job in ipairs(call('HRANDFIELD', key.token_sent(token), MESSAGES_LOOKED_AT)) do
      local status = call('HGET', key.job(job), 'status')
      if not status or END_STATES[status] then call('HDEL', key.token_sent(token), job) end
    end
  end

  -- Who uses a token: messages that were sent on it, ever, and those of other jobs that are not settled. Nil: it was removed.
  function use_of(token, job)
    if call('EXISTS', key.token(token)) == 0 then return nil end
    return messages_ever(token), others_at_work(token, job)
  end

  -- The same, where messages of jobs that are over do not count, and a worker of the first format is heard of that has come
  -- since the processes last looked round.
  function sure_use_of(token, job)
    first_format.look_round()
    local sends, others = use_of(token, job)
    if not sends or others == 0 then return sends, others end
    forget_ended_messages(token)
    return sends, others_at_work(token, job)
  end
end

-- Messages that were ever sent on a token; nil where another job's is being worked on, or where the token was removed.
local function sends_if_alone(token, job)
  local sends, others = sure_use_of(token, job)
  return others == 0 and sends or nil
end
