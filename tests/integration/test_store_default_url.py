"""What the store remembers of URLs: since when the default fails, why it was switched off, and what only one job's said."""

import msgspec
import pytest

from core.events.delivery import DeliveryState, EndpointOutcome
from core.model.job import Webhook
from core.model.transitions import cancel_asked, expired
from core.model.webhook import TenantWebhook
from core.store.deliveries import DeliveryClaim
from core.store.jobs.unheld import commit_unheld
from core.store.leases import LeaseLost
from core.store.tenants.webhooks import Webhooks
from tests.callback_deliveries import claim, ended
from tests.store_fixture import Core, core

__all__ = ["core"]

HOOK = TenantWebhook(url="https://hooks.example.com/all", events=("job.succeeded", "job.failed"))
NAMED = Webhook(url="https://hooks.example.com/one")


@pytest.fixture
async def default_url(core: Core) -> None:
    await core.webhooks.set_default("acme", HOOK)


async def claimed(core: Core, **asked: object) -> DeliveryClaim:
    """Claim the callback of a job that has just ended."""
    job = await core.submit(**asked)
    await core.run(job)
    [(found, _)] = await core.deliveries.of_job(job.id)
    return await claim(core, found)


async def fares(core: Core, *, failed: bool, **more: object) -> TenantWebhook | None:
    """Let one callback to the default URL fail or not, and read what is known of the URL then."""
    found = await claimed(core)
    over = ended(found.delivery, DeliveryState.DEAD if failed else DeliveryState.DELIVERED)
    await core.deliveries.record(over, owner="w:1", outcome=EndpointOutcome(HOOK.url, failed, **more))  # type: ignore[arg-type]
    return await core.webhooks.default("acme")


@pytest.mark.usefixtures("default_url")
async def test_the_first_failure_is_remembered_until_the_url_takes_something(core: Core) -> None:
    first = await fares(core, failed=True)
    since_ms = core.clock.now_ms()
    assert first == msgspec.structs.replace(HOOK, failing_since_ms=since_ms)
    core.clock.turn(by_s=60)
    assert await fares(core, failed=True) == first
    assert await fares(core, failed=False) == HOOK
    again = await fares(core, failed=True)
    assert again == msgspec.structs.replace(HOOK, failing_since_ms=core.clock.now_ms())


@pytest.mark.usefixtures("default_url")
async def test_a_url_that_wants_no_more_is_disabled_and_nothing_else_about_it_changes(core: Core) -> None:
    off = await fares(core, failed=True, disabled_why="410")
    now_ms = core.clock.now_ms()
    assert off == msgspec.structs.replace(HOOK, state="disabled", disabled_at_ms=now_ms, disabled_why="410")


@pytest.mark.usefixtures("default_url")
async def test_an_answer_of_the_url_before_says_nothing_about_the_one_that_was_set_meanwhile(core: Core) -> None:
    found = await claimed(core)
    elsewhere = msgspec.structs.replace(HOOK, url="https://new.example.com/all")
    await core.webhooks.set_default("acme", elsewhere)
    off = EndpointOutcome(HOOK.url, failed=True, disabled_why="410")
    await core.deliveries.record(ended(found.delivery, DeliveryState.DEAD), owner="w:1", outcome=off)
    assert await core.webhooks.default("acme") == elsewhere


@pytest.mark.usefixtures("default_url")
async def test_a_url_that_was_enabled_meanwhile_is_not_taken_for_worn_out(core: Core) -> None:
    assert await fares(core, failed=True, disabled_why="worn out", worn_since_ms=7) == HOOK


async def test_what_the_url_of_one_job_wants_no_more_is_sent_again_only_when_somebody_asks(core: Core) -> None:
    job = await core.submit(webhook=msgspec.structs.replace(NAMED, events=("job.started", "job.succeeded")))
    await core.run(job)
    (first, _), (second, _) = await core.deliveries.of_job(job.id)
    gone = ended((await claim(core, first)).delivery, DeliveryState.DEAD)
    await core.deliveries.record(gone, owner="w:1", unwanted="410")
    assert (await claim(core, second, "w:2")).unwanted == "410"
    again = await core.deliveries.send_again(gone)
    assert (await claim(core, again, "w:3")).unwanted is None


async def test_two_who_send_again_at_once_start_one_schedule(core: Core) -> None:
    found = await claimed(core, webhook=NAMED)
    dead = ended(found.delivery, DeliveryState.DEAD)
    await core.deliveries.record(dead, owner="w:1")
    again = await core.deliveries.send_again(dead)
    await claim(core, again, "w:2")
    taken = ended(again, DeliveryState.DELIVERED)
    await core.deliveries.record(taken, owner="w:2")
    assert await core.deliveries.send_again(dead) == taken


class ChangedAfterALook(Webhooks):
    """The default is set to another one right after somebody has read it for the first time."""

    def __init__(self, core: Core, after: TenantWebhook) -> None:
        super().__init__(core.store, core.vault, core.clock)
        self._after: TenantWebhook | None = after

    async def default_with_stored(self, tenant: str) -> tuple[TenantWebhook | None, bytes]:
        found = await super().default_with_stored(tenant)
        if self._after:
            await self.set_default(tenant, self._after)
            self._after = None
        return found


@pytest.mark.parametrize("end", [cancel_asked, expired])
@pytest.mark.parametrize("before", [None, msgspec.structs.replace(HOOK, state="disabled")])
async def test_an_end_that_no_worker_brings_is_told_to_the_default_of_its_moment(core: Core, before, end) -> None:
    if before:
        await core.webhooks.set_default("acme", before)
    job, now_ms = await core.submit(), core.clock.now_ms()
    to_all = msgspec.structs.replace(HOOK, events=())
    read = ChangedAfterALook(core, to_all).default_with_stored
    await commit_unheld(core.jobs, job, end(job, now_ms=now_ms), read_default=read, public_url="", now_ms=now_ms)
    assert [d.type for d, _ in await core.deliveries.of_job(job.id)] in (["job.canceled"], ["job.expired"])


async def test_who_has_gone_on_meanwhile_is_neither_canceled_nor_told_so(core: Core) -> None:
    job = await core.submit()
    await core.begin(job)
    canceled = cancel_asked(job, now_ms=core.clock.now_ms())
    read = ChangedAfterALook(core, HOOK).default_with_stored
    with pytest.raises(LeaseLost):
        await commit_unheld(core.jobs, job, canceled, read_default=read, public_url="", now_ms=0)
    assert await core.deliveries.of_job(job.id) == []
