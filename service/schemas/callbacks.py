"""Response schemas of callbacks: what was sent where, what came of it, and the tenant's default target. Shapes only."""

from typing import Literal

from core.events.delivery import DeliveryState
from core.model.view import Timestamp, View
from service.schemas.responses import PageView


# Comments that begin with "#:" are shown to callers.
class AttemptView(View, kw_only=True):
    """One try to deliver a callback."""

    #: When it was made.
    at: Timestamp
    #: The HTTP status that the receiver answered with; null: it gave no answer.
    status: int | None
    #: How long the receiver took, in milliseconds. 15,000 is the end of patience.
    latency_ms: int
    #: Why there was no answer, in a sentence; null: there was one, and `status` says whether it was good.
    error: str | None
    #: The start of what the receiver answered.
    answer: str


class DeliveryView(View, kw_only=True):
    """A callback: what was sent where, and what became of it."""

    #: What `POST /v1/deliveries/{delivery_id}/redeliver` names.
    id: str
    #: The event that it carries: its `webhook-id`, the same at every attempt.
    event_id: str
    #: The event's type.
    type: str
    #: The job that it is about; null: it is about a batch.
    job_id: str | None
    #: The batch that it is about; null: it is about a job.
    batch_id: str | None
    #: Where it goes, without its query, in which tokens often stand; null: to the tenant's default, as that is at each attempt.
    url: str | None
    #: What became of it.
    status: DeliveryState
    #: Why it was given up; null: it was not.
    why: str | None
    #: The attempts so far, oldest first.
    attempts: tuple[AttemptView, ...]
    #: When the next attempt comes; null: at once while it is `pending`, and else none does.
    next_attempt_at: Timestamp | None
    #: When the event happened.
    created_at: Timestamp


class DeliveryPage(PageView, kw_only=True):
    """A page of callbacks."""

    #: The callbacks.
    data: list[DeliveryView]


class Redelivered(View, kw_only=True):
    """What was sent again."""

    #: How many are sent again: 1,000 at most.
    count: int
    #: Whether the range has more than one call sends again: call again for the rest, with `next_cursor`.
    has_more: bool
    #: Hand it over as `after` for the rest, with all else the same; null where there is none. Without it a call begins with the
    #: newest again, and of these it sends anew whatever has arrived, or was given up, by then.
    next_cursor: str | None


class WebhookView(View, kw_only=True):
    """The tenant's default callback target, and how it fares."""

    #: Where callbacks go; null: none is set.
    url: str | None
    #: What it is told of; empty: the four ends of jobs, and `batch.completed`.
    events: tuple[str, ...]
    #: `disabled`: nothing is sent until `POST /v1/webhook:enable`. `unset`: there is none.
    status: Literal["active", "disabled", "unset"]
    #: The first of the failures since it last took something; five days of them disable it. Null: it takes what comes.
    failing_since: Timestamp | None
    #: Since when nothing is sent; null: something is.
    disabled_at: Timestamp | None
    #: Why nothing is sent; null: something is.
    disabled_why: str | None


class NewSecret(View, kw_only=True):
    """A new signing secret, shown this once."""

    #: `whsec_` and base64. Store it where your receiver verifies signatures; nobody can show it again.
    secret: str
    #: Until then calls carry signatures by both secrets, so you have that long to change over.
    previous_valid_until: Timestamp


class TestedWebhook(View, kw_only=True):
    """What the receiver answered to a signed ``webhook.test``."""

    #: Whether it answered 2xx.
    delivered: bool
    #: The HTTP status that it answered with; null: it gave no answer.
    status: int | None
    #: Why there was no answer, in a sentence; null: there was one.
    error: str | None
    #: The start of what it answered.
    answer: str
    #: How long it took, in milliseconds.
    latency_ms: int
