"""The one module that makes Redis keys, for Python and, as a prelude of small functions, for the Lua scripts.

Key names stand here with the type of what they hold. `{}` are filled with ids, tenant names or hashes, nothing else.
"""

_SHAPES = {
    # jobs
    "job": "rg:job:{}",  # HASH rec ver status owner tenant session write crashes suspects handed reserved_on before tracks unwanted answered
    "jobs": "rg:jobs:{}",  # ZSET of a tenant's job ids, all scored 0: ids sort by time
    "jobs_status": "rg:jobs:{}:status:{}",  # the same for one status
    "jobs_profile": "rg:jobs:{}:profile:{}",  # the same for one profile
    "events": "rg:events:{}",  # STREAM of one job's events
    "idempotency": "rg:idem:{}:{}",  # HASH body answer waits
    "rate": "rg:rate:{}",  # INT submits of an API key in the present window
    "batch": "rg:bat:{}",  # HASH rec tenant jobs left delivery delivery_id finished_at_ms, and end:<job> of each
    # turns
    "backlog": "rg:backlog:{}",  # ZSET of a tenant's queued jobs by priority and arrival
    "tenant_ring": "rg:ring",  # ZSET of tenants with a backlog, by turn
    "tenant_turn": "rg:turn",  # INT last turn given
    "queued": "rg:queued:{}",  # ZSET of a tenant's jobs that have not started, by time of acceptance
    "queued_all": "rg:queued",  # ZSET of all jobs that have not started, by the time at which they expire
    "running": "rg:running:{}",  # SET of a tenant's admitted jobs
    "admitted": "rg:admitted",  # ZSET of admitted jobs by time of admission
    "workers": "rg:workers",  # HASH worker -> "alive until:slots"
    "leases": "rg:leases",  # ZSET of leased ids by the end of the lease
    "retire": "rg:retire",  # ZSET of ended jobs by the time at which they are forgotten
    "usage": "rg:usage:{}:{}",  # HASH of a tenant's month
    # sessions
    "session": "rg:ses:{}",  # HASH rec tenant closed
    "sessions": "rg:sessions:{}",  # ZSET of a tenant's explicit sessions
    "session_jobs": "rg:ses:{}:jobs",  # ZSET of a session's jobs
    "session_queue": "rg:ses:{}:line",  # LIST of a session's jobs that have not ended; the first one may run
    # tenants
    "tenant": "rg:tenant:{}",  # HASH secret, webhook and its state
    "tenants": "rg:tenants",  # SET of tenant names
    "tenant_keys": "rg:tenant:{}:keys",  # SET of API key ids
    "api_key": "rg:key:{}",  # HASH of one API key, by its keyed hash
    "api_key_hash": "rg:keyid:{}",  # STRING hash of an API key id
    "feed": "rg:feed:{}",  # STREAM of a tenant's events, 14 days
    "event_clock": "rg:clock:{}",  # STRING "ms-seq" of a tenant's last event
    # uploads
    "upload": "rg:upl:{}",  # HASH rec expected
    "uploads": "rg:uploads",  # ZSET of uploads by the time at which they go
    "stored": "rg:stored:{}",  # INT bytes that a tenant keeps
    # deliveries
    "delivery": "rg:dlv:{}",  # HASH rec owner status
    "deliveries": "rg:dlvs:{}:{}",  # ZSET of a tenant's deliveries in one state
    "job_deliveries": "rg:job:{}:dlvs",  # ZSET of a job's deliveries
    # tokens
    "tokens": "rg:tokens",  # SET of token ids
    "token_digest": "rg:tokdigest:{}",  # STRING id of the token with this keyed hash
    "token": "rg:tok:{}",  # HASH of one token
    "token_reservations": "rg:tok:{}:held",  # HASH job -> credits reserved for it
    "token_sent": "rg:tok:{}:sent",  # HASH job -> "credits:listened to since ms" of messages that were sent and not settled
    "message_costs": "rg:costs",  # HASH kind of message -> credits that the last one cost, and how many were too few
    "anonymous_identity": "rg:identity",  # HASH of this installation's anonymous identity
    "anonymous_identity_lock": "rg:identity:lock",  # STRING the worker that renews it
    # errands
    "orphan_renders": "rg:renders",  # ZSET of renders without a job, packed, by the time of the next look
    "rpc_requests": "rg:errands",  # LIST of outside calls that the API asks a worker for
    "rpc_reply": "rg:errand:{}",  # LIST of one answer
    # estimates
    "run_samples": "rg:samples",  # LIST of the last ended jobs' running times, ms
    "stage_samples": "rg:samples:{}",  # LIST of the times that jobs have last been in a stage, ms
    # arq's own
    "arq_queue": "arq:queue",
    "arq_job": "arq:job:{}",
    "arq_in_progress": "arq:in-progress:{}",
    "arq_retry": "arq:retry:{}",
}

#: one message per event: the id of the job whose readers should look
EVENTS_CHANNEL = "rg:events"
#: one message per cancel: the id of the job
CANCEL_CHANNEL = "rg:cancel"
#: one message per job whose content was removed: its id
REMOVALS_CHANNEL = "rg:removals"


def key(shape: str, *parts: str) -> str:
    """Make a key: ``key("jobs_status", "acme", "queued")`` is ``rg:jobs:acme:status:queued``."""
    return _SHAPES[shape].format(*parts)


def lua_prelude() -> str:
    """Write every shape as a Lua function: ``K.jobs_status(tenant, status)``."""
    lines = ["local K = {}"]
    for name, shape in _SHAPES.items():
        parts = shape.split("{}")
        names = [f"p{n}" for n in range(len(parts) - 1)]
        body = " .. ".join(
            piece for n, part in enumerate(parts) for piece in (f"'{part}'", *names[n : n + 1]) if piece != "''"
        )
        lines.append(f"function K.{name}({', '.join(names)}) return {body} end")
    channels = f"'{EVENTS_CHANNEL}', '{CANCEL_CHANNEL}', '{REMOVALS_CHANNEL}'"
    lines.append(f"local EVENTS_CHANNEL, CANCEL_CHANNEL, REMOVALS_CHANNEL = {channels}")
    return "\n".join(lines)
