"""A tenant's profiles, credits and usage."""

from contextlib import suppress

import msgspec
from litestar import Response
from litestar.di import NamedDependency

from core.clock import month_of, rfc3339
from core.model.token import TokenSums
from core.profiles import PROFILES, Profile
from core.store.redis.client import STORE_DOWN
from core.store.rpc import TooManyRequests
from service.auth import RequireScope
from service.context import ApiRequest, context_of
from service.http.headers import call_origin_of
from service.http.json_response import json_response
from service.http.query import query_params
from service.openapi.describe import QUERY, ResponseDoc, problems, reads
from service.schemas.requests import UsageQuery
from service.schemas.responses import CreditsView, UsageView

#: how long a worker may take to read the balances before the last known ones are given
_CREDITS_WAIT_S = 2.5


# Comments that begin with "#:" are shown to callers.
class Profiles(msgspec.Struct):
    """The skills that a job can name."""

    #: All of them.
    data: list[Profile]


@reads(
    "/v1/profiles",
    guards=[RequireScope("read")],
    operation_id="listProfiles",
    summary="List the five skills",
    tags=["Account"],
    responses={200: ResponseDoc("The skills.", Profiles)} | problems(),
)
async def list_profiles(request: ApiRequest) -> Response[bytes]:  # noqa: ARG001 - a guard needs a request
    """List the five skills: what each is made for, which files it takes, and what it does best.

    When: before the first job, to choose its `profile`.
    Cost: nothing. They change only with a new release.
    """
    return json_response(Profiles(list(PROFILES.values())))


@reads(
    "/v1/credits",
    guards=[RequireScope("read")],
    operation_id="readCredits",
    summary="Read the credits that are left",
    tags=["Account"],
    responses={200: ResponseDoc("The credits, over the tokens that this tenant uses.", CreditsView)} | problems(),
)
async def read_credits(request: ApiRequest) -> Response[bytes]:
    """Have a worker read the balances; without one in time, give those that were read last: see `as_of`.

    Of many tokens it reads some in a call, those first that were read longest ago; of the others it gives the last balance.

    When: to show or watch what is left. A job that lacks credits says so itself.
    Cost: nothing. It takes up to 2.5 s, since the backend is asked.
    """
    context, tenant = context_of(request), request.user.tenant
    # those under way bring what this one would have; and a Redis that takes no writes knows what was read last
    with suppress(TooManyRequests, *STORE_DOWN):
        request_id = call_origin_of(request.scope).request_id
        await context.rpc.ask("credits", tenant, b"", wait_s=_CREDITS_WAIT_S, request_id=request_id)
    return json_response(_credits_of(await context.tokens.sums(tenant)))


def _credits_of(sums: TokenSums) -> CreditsView:
    """Give what was read last, as old as its oldest part."""
    if not sums.known:
        return CreditsView(available=None, frozen=None, total=None, as_of=None)
    as_of = rfc3339(sums.read_ms) if sums.read_ms else None
    total = sums.available + sums.frozen
    return CreditsView(available=sums.available, frozen=sums.frozen, total=total, as_of=as_of)


@reads(
    "/v1/usage",
    guards=[RequireScope("read")],
    operation_id="readUsage",
    summary="Read a month's usage",
    tags=["Account"],
    responses={200: ResponseDoc("Jobs by end, credits, minutes made.", UsageView)} | problems(QUERY),
    dependencies={"params": query_params(UsageQuery)},
)
async def read_usage(request: ApiRequest, params: NamedDependency[UsageQuery]) -> Response[bytes]:
    """Give what a month came to, the present one by default: jobs by their ends, credits, minutes of film.

    When: for a bill or a budget.
    Cost: nothing. Months are kept for 25 months.
    """
    context = context_of(request)
    month = params.month or month_of(context.clock.now_ms())
    counts = await context.usage.of_month(request.user.tenant, month)
    ends = ("succeeded", "failed", "canceled", "expired")
    jobs = {end: int(counts.get(f"jobs_{end}", 0)) for end in ends}
    minutes = round(counts.get("minutes", 0.0), 3)
    return json_response(
        UsageView(
            month=month,
            jobs=jobs,
            credits=counts.get("credits", 0.0),
            credits_estimated=counts.get("credits_estimated", 0.0),
            minutes=minutes,
        )
    )
