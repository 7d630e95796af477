-- Why a queued job waits, and until when: in its session behind the job before it, else in its tenant's backlog. While
-- its tenant is paused there is no telling until when.
--
-- `nth` is its place in its session, from 1. `pace`, where one is known, is how long jobs take: {p50_s, p90_s, at_once}.
-- The estimate goes by rounds: those before it run `at_once` at a time (one, in a session), each round as long as the
-- median. A job without a position is about to be taken.
local function queue_position(job, nth, tenant_running_jobs, pace)
  local found, at_once = {position = nth, paused = is_paused(job.tenant)}, 1
  if nth > 1 then
    found.behind = call('LINDEX', key.session_queue(job.session), nth - 2)
  else
    local rank = call('ZRANK', key.backlog(job.tenant), job.id)
    found.position, at_once = rank and rank + 1, pace and pace.at_once
    found.at_cap = call('SCARD', key.running(job.tenant)) >= tenant_running_jobs
  end
  if pace and not found.paused then
    local before_s = math.floor(((found.position or 1) - 1) / at_once) * pace.p50_s
    found.eta_p50_s, found.eta_p90_s = before_s + pace.p50_s, before_s + pace.p90_s
  end
  return found
end
