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
    call('HDEL', key.message_costs(), settling.kind .. ':too few', settling.kind .. ':too few since')
  end
end

local use_of, sure_use_of
do
  local MESSAGES_LOOKED_AT = 4

  -- The token, and others of its account that were used lately: they pay from one balance.
  local function tokens_of_account(token, account)
    local tokens = {token}
    for _, other in ipairs(account and call('SMEMBERS', key.account_tokens(account)) or {}) do
      if other ~= token then table.insert(tokens, other) end
    end
    return tokens
  end

  local function others_at_work(tokens, job)
    local count = 0
    for _, token in ipairs(tokens) do
      local messages = first_format.runs() and key.token_reservations(token) or key.token_sent(token)
      count = count + call('HLEN', messages) - (job and call('HEXISTS', messages, job) or 0)
    end
    return count
  end

  -- A release that writes down no message takes none off the list either when its job ends. Some are looked at each time:
  -- where there are more, others are at work anyway.
  local function forget_ended_messages(token)
    for _, job in ipairs(call('HRANDFIELD', key.token_sent(token), MESSAGES_LOOKED_AT)) do
      local status = call('HGET', key.job(job), 'status')
      if not status or END_STATES[status] then call('HDEL', key.token_sent(token), job) end
    end
  end

  -- Who uses a token: messages that were sent on it, ever, those of other jobs that are not settled on it or on others of its
  -- account, and these tokens. Nil: it was removed.
  function use_of(token, job)
    local found = read_fields(key.token(token), 'state', 'digest', 'taken', 'account')
    if not (found.state or found.digest) then return nil end
    local tokens = tokens_of_account(token, found.account)
    return sum_of(found.taken) + first_format.comings(), others_at_work(tokens, job), tokens
  end

  -- The same, where messages of jobs that are over do not count, and a worker of the first format is heard of that has come
  -- since the processes last looked round.
  function sure_use_of(token, job)
    first_format.look_round()
    local sends, others, tokens = use_of(token, job)
    if not sends or others == 0 then return sends, others end
    for _, one in ipairs(tokens) do forget_ended_messages(one) end
    return sends, others_at_work(tokens, job)
  end
end

-- Messages that were ever sent on a token; nil where another job's is being worked on, or where the token was removed.
local function sends_if_alone(token, job)
  local sends, others = sure_use_of(token, job)
  return others == 0 and sends or nil
end
