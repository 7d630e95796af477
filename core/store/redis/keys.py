"""Redis keys: the one module that makes them, for Python by `key`, and for Lua as functions that are written from the same.

Shapes stand here with the type of what they hold, and, for hashes, with every field. `{}` are filled with ids, tenant
names or hashes, nothing else. Keys and fields keep their bytes from version to version, also where the word for them
has become another one since.
"""

_SHAPES = {
    # jobs
    "job": "rg:job:{}",  # HASH
    "jobs": "rg:jobs:{}",  # ZSET of a tenant's job ids, all scored 0: ids sort by time
    "jobs_status": "rg:jobs:{}:status:{}",  # the same for one status
    "jobs_profile": "rg:jobs:{}:profile:{}",  # the same for one profile
    "events": "rg:events:{}",  # STREAM of one job's events
    "idempotency": "rg:idem:{}:{}",  # HASH of one caller's Idempotency-Key
    "rate": "rg:rate:{}",  # INT submits of an API key in the present window
    "batch": "rg:bat:{}",  # HASH
    "batches": "rg:batches:{}",  # ZSET of a tenant's batches, all scored 0: ids sort by time
    "retire": "rg:retire",  # ZSET of ended jobs and deliveries by the time at which they are forgotten
    "orphan_renders": "rg:renders",  # ZSET of renders without a job, packed, by the time of the next look
    # admission
    "backlog": "rg:backlog:{}",  # ZSET of a tenant's jobs that could run, by rank: priority, then arrival
    "tenant_ring": "rg:ring",  # ZSET of tenants with a backlog, by the number of their turn
    "tenant_turn": "rg:turn",  # INT number of the last turn that was given
    "queued": "rg:queued:{}",  # ZSET of a tenant's jobs that have not started, by time of acceptance
    "queued_all": "rg:queued",  # ZSET of all jobs that have not started, by the time at which they expire
    "running": "rg:running:{}",  # SET of a tenant's admitted jobs
    "admitted": "rg:admitted",  # ZSET of admitted jobs by time of admission
    "asleep": "rg:asleep",  # ZSET of admitted jobs whose places others may have, by when they wake
    "queued_since": "rg:queued-since",  # ZSET of all jobs that have not started, by time of acceptance
    "jobs_at": "rg:jobs-at:{}",  # ZSET of jobs that have started, by when they came to this status, stage and wait
    "backlog_counts": "rg:backlogs",  # HASH tenant -> "why they wait:how many", as it is in the sums
    "backlog_sums": "rg:backlogs:sums",  # HASH why they wait -> how many, of all tenants
    "backlogs_changed": "rg:backlogs:changed",  # SET of tenants whose backlog is not in the sums as it is now
    "workers": "rg:workers",  # HASH worker -> "alive until:slots"
    "worker": "rg:worker:{}",  # STRING what a living worker says of itself
    "paused": "rg:paused",  # HASH tenant, or EVERYBODY -> the time (ms) since which no job of theirs begins
    "wakeup": "rg:wakeup",  # LIST of a token for a worker that waits for work, or of some that were given back: an id that is due, or 1
    "leases": "rg:leases",  # ZSET of leased jobs and deliveries by the end of the lease
    # sessions
    "session": "rg:ses:{}",  # HASH
    "sessions": "rg:sessions:{}",  # ZSET of a tenant's explicit sessions
    "idle_sessions": "rg:idle-sessions",  # ZSET of explicit sessions by the time at which they go if nobody uses them
    "session_jobs": "rg:ses:{}:jobs",  # ZSET of a session's jobs
    "session_queue": "rg:ses:{}:line",  # LIST of a session's jobs that have not ended; the first one may run
    # tenants
    "tenant": "rg:tenant:{}",  # HASH
    "tenants": "rg:tenants",  # SET of tenant names
    "tenant_keys": "rg:tenant:{}:keys",  # SET of API key ids
    "api_key": "rg:key:{}",  # HASH of one API key, by its keyed hash
    "api_key_hash": "rg:keyid:{}",  # STRING hash of an API key id
    "feed": "rg:feed:{}",  # STREAM of a tenant's events
    "event_clock": "rg:clock:{}",  # STRING "ms-seq" of a tenant's last event
    "usage": "rg:usage:{}:{}",  # HASH of a tenant's month
    # uploads
    "upload": "rg:upl:{}",  # HASH
    "uploads": "rg:uploads",  # ZSET of uploads by the time at which they go
    "upload_urls": "rg:upload-urls",  # ZSET of "upload path", "- path" where bytes may be that no record tells of, by when no more can come
    "tenant_uploads": "rg:uploads:{}",  # ZSET of a tenant's uploads that have come, all scored 0: ids sort by time
    "tenant_expected": "rg:expected:{}",  # ZSET of a tenant's uploads that have not come, by the time at which they go
    "stored": "rg:stored:{}",  # INT bytes of uploads that are stored for a tenant
    # deliveries
    "delivery": "rg:dlv:{}",  # HASH
    "deliveries": "rg:dlvs:{}:{}",  # ZSET of a tenant's deliveries in one state
    "job_deliveries": "rg:job:{}:dlvs",  # ZSET of a job's deliveries
    "deliveries_pending": "rg:dlvs-pending",  # ZSET of all pending deliveries, by when they came to be so
    "deliveries_dead": "rg:dlvs-dead",  # ZSET of all that were given up, by when
    # tokens
    "tokens": "rg:tokens",  # SET of token ids
    "token_digest": "rg:tokdigest:{}",  # STRING id of the token with this keyed hash
    "removed_token": "rg:tokdigest:{}:removed",  # STRING "id messages" of a removed token with this keyed hash: how many, ever
    "token": "rg:tok:{}",  # HASH of one token
    "token_reservations": "rg:tok:{}:held",  # HASH job -> credits reserved for it
    "token_sent": "rg:tok:{}:sent",  # HASH job -> "credits:listened to since ms" of messages that were sent and not settled
    "token_entries": "rg:toks",  # HASH token -> what the index of tokens holds of it
    "token_groups": "rg:toks:groups:{}",  # SET of the groups of tokens that are alike, of one tenant or of everybody
    "tokens_by_credits": "rg:toks:credits:{}",  # ZSET of a group's tokens by the credits that are free
    "tokens_by_expiry": "rg:toks:expiry:{}:{}",  # ZSET of a group's tokens on one level of credits, by expiry
    "token_wakes": "rg:toks:wakes",  # ZSET of tokens by when something of them changes by itself
    "revoked_tokens": "rg:toks:revoked",  # ZSET of revoked tokens by when their balance is asked for again
    "token_sums": "rg:pool-sums",  # HASH state -> tokens, and kind of credits -> credits, of the whole pool
    "named_tokens": "rg:toks:named:{}",  # SET of the tokens of a tenant, or of everybody, that are not anonymous
    "anonymous_tokens": "rg:toks:anonymous",  # ZSET of anonymous tokens by expiry
    "token_shares": "rg:toks:shares",  # HASH token -> what of it stands in the sums of its owner
    "token_scan": "rg:toks:scan",  # STRING where the look for tokens goes on that another version has added or removed
    "owner_sums": "rg:toks:sums:{}",  # HASH of an owner's tokens: kind -> how many, and their credits
    "owner_readings": "rg:toks:readings:{}",  # ZSET of an owner's tokens that are not over, by when their balance was read
    "account_tokens": "rg:account:{}",  # SET of tokens by which messages were sent for an account, by the hash of its id
    "message_costs": "rg:costs",  # HASH kind of message -> credits that the last one cost, how many were too few, since when
    "anonymous_identity": "rg:identity",  # HASH of this installation's anonymous identity
    "anonymous_identity_lock": "rg:identity:lock",  # STRING the worker that renews it
    # calls from the API to a worker
    "rpc_requests": "rg:errands",  # LIST of what the API asks a worker for
    "rpc_reply": "rg:errand:{}",  # LIST of one reply
    "rpc_under_way": "rg:errands:{}:{}",  # ZSET of a tenant's requests of one kind, by the time they are over at the latest
    # the installation
    "cell": "rg:cell",  # STRING its name, where it is one of several
    "secret_key_seals": "rg:seals",  # LIST of a known value, sealed under the keys that last wrote here, newest first
    "secret_keys_used": "rg:secret-keys",  # HASH name of a secret key -> the time at which a process last wrote under it
    "retired_hash_keys": "rg:hash-keys",  # HASH name of a secret key -> what its keyed hashes were made with, encrypted
    "audit": "rg:audit",  # STREAM of what operators have done
    # gauges
    "gauges": "rg:gauges",  # HASH of what was counted over all of Redis, and when
    "gauges_holder": "rg:gauges:holder",  # STRING the worker that counts
    "formats": "rg:format",  # HASH the mark: in which record format is written, and who may read it
    "processes": "rg:processes",  # HASH API or worker -> "alive until:format:kind:its secret keys' names"
    # estimates
    "run_samples": "rg:samples",  # LIST of the last ended jobs' running times, ms
    "stage_samples": "rg:samples:{}",  # LIST of the times that jobs have last been in a stage, ms
    "render_samples": "rg:render-samples:{}",  # LIST of the times that a profile's last renders took at the backend, ms
    "job_groups": "rg:outcomes",  # SET of groups of jobs that are alike
    "job_outcomes": "rg:outcomes:{}",  # HASH class of an outcome -> how many of a group's last jobs, and how many jobs
    # Redis's own
    "failover": "rg:failover",  # STRING there while the primary is being moved by hand
    "function_libraries": "rg:libraries",  # ZSET of our function libraries by the time (ms) at which they were loaded
    # arq's own
    "arq_queue": "arq:queue",  # ZSET of ids by the time at which they are due; below 0, AHEAD_MS earlier: they go ahead
    "arq_job": "arq:job:{}",  # STRING what to call for an id
    "arq_in_progress": "arq:in-progress:{}",  # STRING guards an id
    "arq_retry": "arq:retry:{}",
}

#: every field of a hash; those of `workers`, `processes` and of what is kept of tokens are ids, of `backlog_counts` and
#: `paused` tenants, of `message_costs` and the sums kinds, of `job_outcomes` classes, of `gauges` names, of
#: `secret_keys_used` and `retired_hash_keys` names of keys
FIELDS = {
    "job": frozenset(
        {
            *("rec", "ver", "status", "owner", "tenant", "session", "profile"),
            "fmt",  # here and below: the record's format
            "back",  # it was in its backlog again: who claims it must find it let in
            "aside",  # it could not be read, and holds no place until it is tried again
            "rank",  # where it stands in its tenant's backlog, once it comes there
            "write",  # the id of the last write, by which it is known again
            *("crashes", "suspects"),  # workers in a row that stopped in mid-step: how many, and who when
            "handed",  # the holder let go in mid-step, which is no crash
            "at",  # where `jobs_at` shows it
            "reserved_on",  # the token that its credits are reserved on
            *("promised", "promised_month"),  # credits of its tenant's budget that are reserved for it
            *("before", "tracks"),  # the draft before its message, and what is on its timeline now
            "answered",  # the Idempotency-Key (hashed) under which the answer to its submit is stored
            "unwanted",  # why the URL that it named gets nothing more
        }
    ),
    "idempotency": frozenset({"body", "answer", "waits", "fmt", "by"}),  # `by`: the call that is under way
    "batch": frozenset(
        {
            *("rec", "fmt", "tenant", "jobs", "left", "created_at", "finished_at_ms"),
            "delivery",  # the callback that its end sends
            "unwanted_delivery",  # the same, where nobody wanted it when the batch was accepted
            "delivery_id",  # its id to releases that make none at the batch's end
            "end:{}",  # how this job ended
            "out:{}",  # where its film is, as a path of ours
        }
    ),
    "session": frozenset(
        {
            *("rec", "fmt", "tenant", "closed"),
            "removed",  # jobs whose data was removed while another one runs here
        }
    ),
    "tenant": frozenset({"secrets", "webhook", "fmt"}),
    "api_key": frozenset({"rec", "fmt"}),
    "usage": frozenset(
        {
            *("jobs_succeeded", "jobs_failed", "jobs_canceled", "jobs_expired", "credits", "minutes"),
            "credits_estimated",  # of the credits those that nobody knows to have been charged
            "promised",  # credits that are reserved for jobs that run
        }
    ),
    "upload": frozenset(
        {
            *("rec", "fmt", "expected"),
            "withdrawn",  # its bytes are being deleted: no job can name it any more
        }
    ),
    "delivery": frozenset({"rec", "fmt", "event", "owner", "status", "tenant"}),
    "token": frozenset(
        {
            *("secret", "digest", "kind", "tenant", "state", "scopes", "expires_ms", "user_id"),
            *("available", "frozen", "read_at_ms", "reserved"),  # credits, and when the balance was read
            "fmt",
            "taken",  # messages, ever, and how often it was taken while a release of the first format ran
            "account",  # by the hash of its id, where another token of it was used, too
            "rest_until_ms",  # of a rate-limited one
            "revoked_ms",  # when it was last revoked
            *("blocked", "blocked_by"),  # exports in a row that were refused, and the job that was last refused one
            "denied",  # scopes that were refused, each after a space
            # when it was last held against the token, for whatever reason, and for which
            *("doubted_ms", "doubt refused", "doubt scope read", "doubt scope write"),
            *("doubt scope upload", "doubt scope render"),
            # the job that was refused it
            *("doubter scope read", "doubter scope write", "doubter scope upload", "doubter scope render"),
        }
    ),
    "anonymous_identity": frozenset({"client_id", "token_id", "user_id", "rest_until_ms", "rest_reason", "refusals"}),
    "formats": frozenset(
        {
            *("written", "oldest_reader"),
            "not_before_ms",  # the time at which `written` rises, unless somebody is there who could not read it
            "first_until_ms",  # so long workers of a release before formats may hold tokens
            "first_comings",  # how often such a worker was seen where none had been
            "sessions_end",  # each explicit session goes when it is idle, those of older releases too
        }
    ),
}

#: one message per event: the id of the job whose readers should look
EVENTS_CHANNEL = "rg:events"
#: one message per cancel: the id of the job
CANCEL_CHANNEL = "rg:cancel"
#: one message per job whose content was removed: its id
REMOVALS_CHANNEL = "rg:removals"
#: no message ever: APIs that say which formats they write are told from older ones by listening here
APIS_CHANNEL = "rg:apis"
#: what is said to nobody here is a write that replicas are waited for with
REPLICATED_CHANNEL = "rg:replicated"


#: why each shape does not grow for ever: what ends a key, or bounds what stands in it
BOUNDS = {
    **dict.fromkeys(
        ("job", "jobs", "jobs_status", "jobs_profile", "session_jobs"), "goes with its job, at the end of its retention"
    ),
    "events": "goes with its job; EVENTS_PER_JOB",
    "idempotency": "TTL of a day, or until its job has ended",
    "rate": "TTL of RATE_WINDOW_MS",
    "batch": "TTL of BATCH_LIFE_MS from its last end on",
    "batches": "those of the last BATCH_LISTED_MS; TTL of as long from the last one on",
    "retire": "jobs and deliveries that are kept; the sweeper empties it",
    "orphan_renders": "each is followed for a day at most",
    "upload_urls": "UPLOAD_LIFE_MS after its URL's end, or its copying, and what could not be deleted; the sweeper empties it",
    **dict.fromkeys(("backlog", "queued", "session_queue"), "tenant_queued_jobs; a job leaves it when it ends"),
    "queued_all": "queue_limit; a job leaves it when it starts or expires",
    **dict.fromkeys(("tenant_ring", "tenants"), "tenants, which an operator makes"),
    **dict.fromkeys(("tenant_turn",), "one number"),
    "running": "tenant_running_jobs",
    "wakeup": "one token; whoever looks for work takes it",
    **dict.fromkeys(("admitted", "asleep", "leases", "workers", "jobs_at"), "what all workers together hold"),
    "queued_since": "queue_limit; a job leaves it when it starts or ends",
    "worker": "TTL of the time for which it is taken for living",
    "paused": "tenants, which an operator makes",
    "audit": "AUDIT_ENTRIES, AUDIT_LIFE_MS",
    "backlog_counts": "tenants with a backlog",
    "backlogs_changed": "tenants; whoever counts the gauges empties it",
    "backlog_sums": "reasons to wait, a closed set",
    **dict.fromkeys(
        ("deliveries_pending", "deliveries_dead"), "deliveries; one leaves them when it ends or is forgotten"
    ),
    **dict.fromkeys(
        (
            *("token_entries", "token_shares", "owner_readings", "token_groups", "tokens_by_credits"),
            *("tokens_by_expiry", "token_wakes", "named_tokens", "revoked_tokens"),
        ),
        "tokens, which an operator adds and removes",
    ),
    "anonymous_tokens": "old anonymous tokens are swept",
    **dict.fromkeys(("token_sums", "owner_sums"), "states, scopes and kinds of credits, a closed set"),
    "token_scan": "one",
    "gauges": "names of gauges, a closed set",
    "gauges_holder": "TTL of the lease",
    "session": "an implicit one goes with its last job, an explicit one session_idle_s after its last use",
    **dict.fromkeys(("sessions", "idle_sessions"), "tenant_sessions; left after session_idle_s without use"),
    "tenant": "one webhook and two secrets of a tenant, which an operator makes",
    **dict.fromkeys(("tenant_keys", "api_key", "api_key_hash"), "KEYS_PER_TENANT; an operator revokes them"),
    **dict.fromkeys(("feed", "event_clock"), "TTL of FEED_LIFE_MS, and an hour, from the tenant's last event on"),
    "usage": "TTL of USAGE_LIFE_MS from its last change on",
    **dict.fromkeys(
        ("upload", "uploads", "tenant_uploads"),
        "tenant_uploads of each tenant; UPLOAD_LIFE_MS after the last use the sweeper drops them",
    ),
    "tenant_expected": "tenant_uploads; TTL of UPLOAD_LIFE_MS from the last one on",
    "stored": "one number",
    **dict.fromkeys(
        ("delivery", "deliveries", "job_deliveries"), "retires FEED_LIFE_MS after its end, or with its job"
    ),
    **dict.fromkeys(
        ("tokens", "token", "token_digest"), "an operator adds and removes them; old anonymous ones are swept"
    ),
    "removed_token": "TTL of TOKENS_REMEMBERED_MS",
    **dict.fromkeys(("token_reservations", "token_sent"), "jobs that run; a job leaves it when it ends"),
    "account_tokens": "tokens, which an operator adds and removes; TTL of TOKENS_REMEMBERED_MS",
    "message_costs": "kinds of messages, a closed set; TTL of MESSAGE_COSTS_LIFE_MS",
    "anonymous_identity": "one",
    "anonymous_identity_lock": "TTL of the renewal",
    **dict.fromkeys(("rpc_requests", "rpc_reply", "rpc_under_way"), "TTL of half a minute"),
    "cell": "one",
    "secret_key_seals": "one for each configured key",
    "secret_keys_used": "secret keys that were in use within SECRET_KEY_USE_KEPT_MS",
    "retired_hash_keys": "secret keys that an operator has rotated away, a few a year",
    "formats": "one",
    "processes": "API and worker processes; those that have died are dropped",
    "run_samples": "RUN_SAMPLES",
    "stage_samples": "STAGE_SAMPLES",
    "render_samples": "RENDER_SAMPLES of each profile, a closed set; TTL of RENDER_SAMPLES_LIFE_MS",
    **dict.fromkeys(("job_groups", "job_outcomes"), "groups of jobs and classes of outcomes, closed sets"),
    "failover": "one",
    "function_libraries": "eight",
    **dict.fromkeys(
        ("arq_queue", "arq_job", "arq_in_progress", "arq_retry"), "what is queued or held; leaves at its end"
    ),
}


def key(shape: str, *parts: str) -> str:
    """Make a key: ``key("jobs_status", "acme", "queued")`` is ``rg:jobs:acme:status:queued``."""
    return _SHAPES[shape].format(*parts)


def keys_as_lua() -> str:
    """Write every shape as a Lua function, ``key.jobs_status(tenant, status)``, and the channels, ``channel.events``."""
    lines = ["local key = {}"]
    for name, shape in _SHAPES.items():
        parts = shape.split("{}")
        names = [f"p{n}" for n in range(len(parts) - 1)]
        body = " .. ".join(
            piece for n, part in enumerate(parts) for piece in (f"'{part}'", *names[n : n + 1]) if piece != "''"
        )
        lines.append(f"function key.{name}({', '.join(names)}) return {body} end")
    channels = {"events": EVENTS_CHANNEL, "cancel": CANCEL_CHANNEL, "removals": REMOVALS_CHANNEL, "apis": APIS_CHANNEL}
    lines.append("local channel = {" + ", ".join(f"{name} = '{value}'" for name, value in channels.items()) + "}")
    return "\n".join(lines)
