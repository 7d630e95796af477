"""The link that opens a session in a browser: for whom it is made, and for how long it is believed to be good."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from core.errors import Code
from core.model import session as sessions
from core.model import transitions
from core.model.job import Render, Stage
from core.model.session import Session
from tests.scripted_backend import ScriptedBackend, page, said, scripted_backend
from tests.store_fixture import Core, core
from tests.worker_fixture import context, in_hand, stepped
from worker.context import WorkerContext
from worker.jobs.claim_link import with_claim_link
from worker.jobs.execution import JobExecution

__all__ = ["context", "core"]

DRAFT = {"t": [{"tt": 0, "sg": [{"st": 0, "d": 4000}]}]}
DAY_S = 86_400
BLOCKED = said({"code": 402, "message": "upgrade your plan"}, 402)


def made(token: str, expires_in: int | None = None) -> object:
    return said({"code": 0, "data": {"claim_token": token, "expires_in": expires_in}})


def link(token: str) -> str:
    return f"https://nemovideo.com/workspace/claim?ct={token}"


@pytest.fixture
async def backend() -> AsyncIterator[ScriptedBackend]:
    async with scripted_backend() as backend:
        backend.says("state", said({"code": 0, "data": {"state": {"draft": DRAFT}, "task_id": "t1"}}))
        backend.says("claim", made("clm_1"), made("clm_2"), made("clm_3"))
        backend.says("credits", said({"code": 0, "data": {"available": 500}}))
        backend.says("render", said({"success": True, "data": {"status": "pending"}}))
        yield backend


@asynccontextmanager
async def at_export(
    core: Core, context: WorkerContext, *, task_id: str | None = "t1", edited: bool = True
) -> AsyncIterator[JobExecution]:
    """Hold a job whose edit is done, and that asks for its render now."""
    token_id = await core.tokens.add("nmv_usr_a", kind="operator", available=500)
    job = await core.submit()
    job = transitions.token_taken(transitions.started(job, now_ms=job.created_at_ms), token_id=token_id)
    render = Render(id="render_1", attempt=1, started_at_ms=0)
    job = transitions.moved(job, Stage.RENDERING, edited=edited, changes=("Clip trimmed",), render=render)
    session = Session(id=job.session_id, tenant=job.tenant, profile=job.profile, created_at_ms=job.created_at_ms)
    session = sessions.opened(session, backend_id="b1", task_id=task_id, user_id=None, token_id=token_id)
    async with in_hand(core, context, job, msgspec.structs.replace(session, edits=1)) as execution:
        yield execution


async def test_a_session_whose_task_only_its_state_names_has_a_link_too(core, context, backend):
    async with at_export(core, context, task_id=None) as execution:
        job = await stepped(execution)
    assert job.claim_url == link("clm_1")
    assert backend.calls("claim")[0].json == {"task_id": "t1", "session_id": "b1"}


@pytest.mark.parametrize(("token", "told"), [("clm_a+b/c=&d", link("clm_a%2Bb%2Fc%3D%26d")), ("nmv_usr_a", None)])
async def test_a_link_holds_any_token_that_opens_the_project_and_never_the_backend_s_own(
    core, context, backend, token, told
):
    backend.says("claim", made(token))
    async with at_export(core, context) as execution:
        job = await stepped(execution)
    assert job.claim_url == told


async def test_a_link_is_made_anew_before_its_time_is_over(core, context, backend):
    async with at_export(core, context) as execution:
        given = []
        for days in (0, 1, 5, 8):
            core.clock.turn(by_s=days * DAY_S)
            execution.session = await with_claim_link(execution, execution.session)
            given.append(execution.session.claim_url)
    assert given == [link("clm_1"), link("clm_1"), link("clm_2"), link("clm_3")]


async def test_a_link_says_itself_for_how_long_it_is_good(core, context, backend):
    backend.says("claim", made("clm_1", 3600), page(503))
    async with at_export(core, context) as execution:
        session = await with_claim_link(execution, execution.session)
        assert sessions.claim_url_at(session, now_ms=execution.now_ms) == link("clm_1")
        core.clock.turn(by_s=3600)
        session = await with_claim_link(execution, session)
        assert sessions.claim_url_at(session, now_ms=execution.now_ms) is None, "nobody is sent to a dead link"


async def test_a_link_that_an_older_release_made_is_made_anew(core, context, backend):
    async with at_export(core, context) as execution:
        old = msgspec.structs.replace(execution.session, claim_url=link("clm_0"))
        assert sessions.claim_url_at(old, now_ms=execution.now_ms) == link("clm_0")
        assert (await with_claim_link(execution, old)).claim_url == link("clm_1")


async def test_whoever_has_paid_for_an_edit_and_gets_no_film_can_open_it_in_a_browser(core, context, backend):
    backend.says("render", BLOCKED)
    async with at_export(core, context) as execution:
        job = await stepped(execution)
    assert (job.error.code, job.claim_url) == (Code.EXPORT_BLOCKED, link("clm_1"))


async def test_without_an_edit_there_is_nothing_to_open(core, context, backend):
    backend.says("render", BLOCKED)
    async with at_export(core, context, edited=False) as execution:
        job = await stepped(execution)
    assert (job.error.code, job.claim_url) == (Code.EXPORT_BLOCKED, None)
    assert not backend.calls("claim")
