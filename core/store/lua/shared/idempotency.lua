-- Answers under a caller's Idempotency-Key that are written in the same step as what they tell of.
-- An operation that does so has the arguments tenant and, where there is a key, idempotency {key_hash, body_hash, answer, life_ms}.

local answers = {}

-- What the same call did before, as the results of the operation: outcome reused or replayed; replayed: answer (absent: it is
-- under way, in an older release), stored_waits. Absent where it did nothing.
function answers.find(a)
  if not a.idempotency then return nil end
  local found = read_fields(key.idempotency(a.tenant, a.idempotency.key_hash), 'body', 'answer', 'waits')
  if not found.body then return nil end
  if found.body ~= a.idempotency.body_hash then return {outcome = 'reused'} end
  return {outcome = 'replayed', answer = found.answer, stored_waits = found.waits}
end

function answers.write(a, waits)
  if not a.idempotency then return end
  local stored = key.idempotency(a.tenant, a.idempotency.key_hash)
  call('HSET', stored, 'body', a.idempotency.body_hash, 'answer', a.idempotency.answer,
    'waits', table.concat(waits, '\n'), 'fmt', written_fmt)
  call('PEXPIRE', stored, a.idempotency.life_ms)
end
