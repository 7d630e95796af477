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

-- Who uses a token: messages that were sent on it, ever, and those of other jobs that are not settled. Nil: it was removed.
local function use_of(token, job)
  if call('EXISTS', key.token(token)) == 0 then return nil end
  return messages_ever(token), others_at_work(token, job)
end

-- The same, where messages of jobs that are over do not count, and a worker of the first format is heard of that has come
-- since the processes last looked round.
local function sure_use_of(token, job)
  first_format.look_round()
  local sends, others = use_of(token, job)
  if not sends or others == 0 then return sends, others end
  forget_ended_messages(token)
  return sends, others_at_work(token, job)
end

-- Messages that were ever sent on a token; nil where another job's is being worked on, or where the token was removed.
local function sends_if_alone(token, job)
  local sends, others = sure_use_of(token, job)
  return others == 0 and sends or nil
end
