"""What a tenant may want to know before and after its jobs: profiles, credits, usage."""

from contextlib import suppress

import msgspec
from litestar import Response

from core.clock import month_of, rfc3339
from core.model.token import Token
from core.profiles import PROFILES, Profile
from core.store.rpc import TooManyRequests
from service.auth import needs
from service.context import Asked, context_of
from service.http.body import read_query
from service.jobs.views import answer
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.schemas.requests import UsageQuery
from service.schemas.responses import CreditsView, UsageView

#: how long a worker may take to read the balances before the last known ones are given
_CREDITS_WAIT_S = 2.5


class Profiles(msgspec.Struct):
    """All profiles."""

    data: list[Profile]


@reads(
    "/v1/profiles",
    guards=[needs("read")],
    opt=about(
        About("listProfiles", "List the five skills", "Account", {200: Answer("The skills.", Profiles)}, scope="read")
    ),
)
async def list_profiles(request: Asked) -> Response[bytes]:  # noqa: ARG001 - a guard needs a request
    """List what a job can name as its profile."""
    return answer(Profiles(list(PROFILES.values())))


@reads(
    "/v1/credits",
    guards=[needs("read")],
    opt=about(
        About(
            "readCredits",
            "Read the credits that are left",
            "Account",
            {200: Answer("Over the tokens that this tenant uses.", CreditsView)},
            scope="read",
        )
    ),
)
async def read_credits(request: Asked) -> Response[bytes]:
    """Have a worker read the balances; without one in time, give those that were read last."""
    parts, tenant = context_of(request), request.user.tenant
    with suppress(TooManyRequests):  # those under way bring what this one would have
        await parts.errands.ask("credits", tenant, b"", wait_s=_CREDITS_WAIT_S)
    return answer(_sum(await parts.tokens.serving(tenant)))


def _sum(tokens: list[Token]) -> CreditsView:
    """Add up what was read last, as old as its oldest part."""
    known = [t for t in tokens if t.available is not None]
    if not known:
        return CreditsView(available=None, frozen=None, total=None, as_of=None)
    available, frozen = sum(t.available or 0 for t in known), sum(t.frozen or 0 for t in known)
    read_ms = min((t.read_at_ms for t in known if t.read_at_ms), default=None)
    as_of = rfc3339(read_ms) if read_ms else None
    return CreditsView(available=available, frozen=frozen, total=available + frozen, as_of=as_of)


@reads(
    "/v1/usage",
    guards=[needs("read")],
    opt=about(
        About(
            "readUsage",
            "Read a month's usage",
            "Account",
            {200: Answer("Jobs by end, credits, minutes made.", UsageView)},
            scope="read",
            refusals=(*KEYED, 422),
            query=UsageQuery,
        )
    ),
)
async def read_usage(request: Asked) -> Response[bytes]:
    """Read what a month came to; the present one by default."""
    parts = context_of(request)
    month = read_query(request, UsageQuery).month or month_of(parts.clock.now_ms())
    counts = await parts.usage.of_month(request.user.tenant, month)
    ends = ("succeeded", "failed", "canceled", "expired")
    jobs = {end: int(counts.get(f"jobs_{end}", 0)) for end in ends}
    minutes = round(counts.get("minutes", 0.0), 3)
    return answer(UsageView(month=month, jobs=jobs, credits=counts.get("credits", 0.0), minutes=minutes))


HANDLERS = (list_profiles, read_credits, read_usage)
