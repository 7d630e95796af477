"""Anonymous tokens that expire by themselves, in the middle of a session and of a render, with both kinds of successor."""

import pytest

from tests.gateway_fixture import Gateway, running_gateway, unique_title

LIFE_S = 8
#: edits in one session, one after the other: more than fit into a token's life
EDITS = 100
EDIT_ONLY = {"export": False}
EXPORT = {"export": True, "resolution": "360p"}


@pytest.fixture(scope="module", params=[False, True], ids=["unseeing", "seeing"])
def brief(request, tmp_path_factory):
    """Run a world of short-lived anonymous tokens, whose successors see the old sessions or not."""
    environment = {
        "SANDBOX_TOKENS": "",
        "SANDBOX_ANONYMOUS_CREDITS": "1000000",
        "SANDBOX_ANONYMOUS_PER_ADDRESS": "1000",
        "SANDBOX_TOKEN_LIFE_S": str(LIFE_S),
        "SANDBOX_RENDER_S": str(LIFE_S + 1),
        "SANDBOX_SUCCESSOR_SEES_SESSIONS": str(request.param).lower(),
    }
    with running_gateway(tmp_path_factory.mktemp("brief"), **environment) as gateway:
        yield gateway, request.param


def issued(gateway: Gateway) -> list[str]:
    return [row["token_id"] for row in gateway.ledger()["tokens"] if row["anonymous"]]


def edit() -> str:
    return f'add a title "{unique_title()}"'


def code_of(job: dict) -> str | None:
    return job["error"]["code"] if job["error"] else None


def refined_past_expiry(gateway: Gateway, job: dict) -> dict:
    """Refine a job's session until its token has had a successor, or the session is lost; return the last job."""
    tokens = len(issued(gateway))
    for _ in range(EDITS):
        job = gateway.run(edit(), session_id=job["session_id"], output=EDIT_ONLY)
        if code_of(job) or len(issued(gateway)) > tokens:
            return job
    raise AssertionError("the token never expired")


def test_a_session_outlives_its_token_where_the_successor_sees_it(brief):
    gateway, sees = brief
    first = gateway.run(edit(), upload=gateway.clip(), output=EDIT_ONLY)
    assert first["status"] == "succeeded", first["error"]
    assert code_of(refined_past_expiry(gateway, first)) == (None if sees else "session_lost")
    fresh = gateway.run(edit(), upload=gateway.clip(), output=EDIT_ONLY)
    assert fresh["status"] == "succeeded", fresh["error"]
    messages = [row for row in gateway.ledger()["messages"] if row["charged"]]
    assert len({row["text"] for row in messages}) == len(messages), "nothing is charged twice"


def test_a_render_outlives_its_token_where_the_successor_sees_it(brief):
    gateway, sees = brief
    title = unique_title()
    job = gateway.run(f'add a title "{title}"', upload=gateway.clip(), output=EXPORT)
    assert code_of(job) == (None if sees else "session_lost")
    assert len(gateway.charged(title)) == 1
    renders = gateway.renders(title)
    assert len(renders) == 1, "it is not rendered again"
    assert renders[0]["fetched"] is sees
