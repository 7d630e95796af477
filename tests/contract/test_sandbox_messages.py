"""What a message does, story by story: what is streamed, what is charged, and when the edit is in the draft."""

from uuid import uuid4

import pytest
import pytest_asyncio

from sandbox.clips import make_talk_clip
from tests.sandbox_caller import calling
from tests.sandbox_fixture import running_sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: clocks ten times as fast: a dropped edit comes after 0.3 s, heartbeats every 0.1 s
FAST = {"SANDBOX_TIME_SCALE": 10, "SANDBOX_SILENT_RATE": 0, "SANDBOX_GUI_RATE": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    async with running_sandbox(**FAST) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "city.mp4"
    await make_talk_clip(path, scenes=1, duration_s=2, silences=[], size=(320, 180))
    return path


@pytest_asyncio.fixture(loop_scope="module")
async def session_id(caller, clip):
    opened = await caller.open_session(language="en")
    await caller.upload(opened, clip)
    return opened


@pytest.fixture
def title():
    return f'add a title "{uuid4().hex[:10]}"'


def rows(ledger, text):
    return [row for row in ledger["messages"] if row["text"] == text]


def settled(text):
    """Whether the message with this text has landed or is lost."""
    return lambda ledger: rows(ledger, text) and all(row["status"] != "running" for row in rows(ledger, text))


async def charged(sandbox, text):
    return sum(row["charged"] for row in rows(await sandbox.until(settled(text)), text))


async def test_an_edit_answers_changes_the_draft_and_charges_fifty(sandbox, caller, session_id, title):
    heard = await caller.say(session_id, title)

    assert heard.texts
    assert title.split('"')[1] in str(await caller.draft(session_id))
    assert await charged(sandbox, title) == 50
    assert await caller.balance() == {"available": 24_950, "frozen": 0, "total": 24_950}


async def test_a_generation_charges_a_hundred_and_shows_up_as_generated(sandbox, caller, title):
    session_id = await caller.open_session()
    text = f"generate a 5-second promotional video from this text: {title}"

    await caller.say(session_id, text)

    assert await charged(sandbox, text) == 100
    assert (await caller.state(session_id))["data"]["state"]["generated_media"]


async def test_what_it_does_not_understand_it_says_and_charges_and_changes_nothing(sandbox, caller, session_id):
    text = f"defenestrate the {uuid4().hex}"
    before = await caller.draft(session_id)

    heard = await caller.say(session_id, text)

    assert "defenestrate" in " ".join(heard.texts)
    assert await caller.draft(session_id) == before
    assert await charged(sandbox, text) == 50


async def test_a_silent_edit_edits_without_a_word(sandbox, caller, session_id, title):
    text = title + " [[story:silent]]"
    heard = await caller.say(session_id, text)

    assert heard.texts == []
    assert not heard.cut
    assert title.split('"')[1] in str(await caller.draft(session_id))
    assert await charged(sandbox, text) == 50


async def test_the_tag_is_no_part_of_the_edit(caller, session_id, title):
    await caller.say(session_id, title + " [[story:gui]]")

    assert "story" not in str(await caller.draft(session_id))


@pytest.mark.parametrize(
    ("language", "phrase"), [("add a title", "Click the Export button"), ("添加标题", "点击导出按钮")]
)
async def test_gui_talk_comes_in_the_prompts_language(caller, session_id, language, phrase):
    heard = await caller.say(session_id, f"{language} “{uuid4().hex}” [[story:gui]]")

    assert phrase in " ".join(heard.texts)


async def test_a_slow_edit_beats_meanwhile(caller, session_id, title):
    assert (await caller.say(session_id, title + " [[story:slow]]")).beats >= 4


async def test_the_agents_shape_comes_whole_or_in_chunks(caller, session_id, title):
    whole = await caller.say(session_id, title + " [[story:adk]]")
    chunks = await caller.say(session_id, title + "! [[story:adk-partial]]")

    assert all("invocationId" in frame for frame in whole.frames + chunks.frames)
    assert not any(frame.get("partial") for frame in whole.frames)
    assert any(frame.get("partial") for frame in chunks.frames)


async def test_both_shapes_are_met_and_a_session_keeps_its_own(caller, clip):
    shapes = set()
    for _ in range(8):
        session_id = await caller.open_session()
        heard = [await caller.say(session_id, f"{uuid4().hex} [[story:unchanged]]") for _ in range(2)]
        kinds = {"vendor" if "type" in frame else "adk" for one in heard for frame in one.frames}
        assert len(kinds) == 1
        shapes |= kinds

    assert shapes == {"vendor", "adk"}


async def test_a_temporary_issue_follows_an_edit_that_worked(caller, session_id, title):
    heard = await caller.say(session_id, title + " [[story:temporary-issue]]")

    assert "temporary issue" in heard.texts[-1]
    assert title.split('"')[1] in str(await caller.draft(session_id))


@pytest.mark.parametrize("story", ["question", "unchanged"])
async def test_talk_alone_is_charged_and_edits_nothing(sandbox, caller, session_id, title, story):
    text = f"{title} [[story:{story}]]"
    before = await caller.draft(session_id)

    heard = await caller.say(session_id, text)

    assert heard.texts[-1].endswith("?") is (story == "question")
    assert await caller.draft(session_id) == before
    assert await charged(sandbox, text) == 50


async def test_two_stages_show_the_raw_video_first_and_freeze_credits_until_the_second(
    sandbox, caller, session_id, title
):
    text = title + " and add background music [[story:two-stage]]"

    heard = await caller.say(session_id, text)

    raw, frozen = await caller.draft(session_id), (await caller.balance())["frozen"]
    assert not heard.cut
    assert {track["tt"] for track in raw["t"]} == {0}
    assert frozen == 50
    assert await charged(sandbox, text) == 50
    assert {track["tt"] for track in (await caller.draft(session_id))["t"]} == {0, 1, 7}


@pytest.mark.parametrize("dropped", [("drop-stream", 50), ("drop-stream-lost", 0)], ids=lambda dropped: dropped[0])
async def test_a_dropped_stream_edits_later_or_never(sandbox, caller, session_id, title, dropped):
    story, cost = dropped
    text = f"{title} [[story:{story}]]"

    heard = await caller.say(session_id, text)

    assert heard.cut
    assert heard.frames
    assert title.split('"')[1] not in str(await caller.draft(session_id))
    assert (await caller.balance())["frozen"] == 50
    assert await charged(sandbox, text) == cost
    assert (title.split('"')[1] in str(await caller.draft(session_id))) is (cost > 0)
    assert await caller.balance() == {"available": 25_000 - cost, "frozen": 0, "total": 25_000 - cost}


async def test_after_a_dropped_stream_the_raw_video_comes_before_the_rest(sandbox, caller, session_id, title):
    text = title + " [[story:drop-stream]] [[story:two-stage]]"
    await caller.say(session_id, text)

    seen = []
    while rows(await sandbox.ledger(), text)[0]["status"] == "running":
        seen.append({track["tt"] for track in (await caller.draft(session_id)).get("t", [])})

    assert {0} in seen
    assert {track["tt"] for track in (await caller.draft(session_id))["t"]} == {0, 7}


async def test_heartbeats_alone_go_on_until_the_client_leaves_and_nothing_is_charged(
    sandbox, caller, session_id, title
):
    text = title + " [[story:heartbeats-only]] [[story:adk]]"

    heard = await caller.say(session_id, text, leave_after=b": keep-alive\n\ndata:\n\n: keep-alive")

    assert heard.frames == []
    assert await charged(sandbox, text) == 0
    assert (await caller.balance())["available"] == 25_000


async def test_an_error_frame_ends_cleanly_with_http_200_and_no_edit(sandbox, caller, session_id, title):
    text = title + " [[story:error-frame]]"
    before = await caller.draft(session_id)

    heard = await caller.say(session_id, text)

    assert (heard.status, heard.cut) == (200, False)
    assert heard.frames[-1].keys() & {"error", "errorCode"}
    assert heard.texts
    assert await charged(sandbox, text) == 0
    assert await caller.draft(session_id) == before


@pytest.mark.parametrize(
    "refusal",
    [("no-credits", 200, 2001), ("rate-limited", 429, 429), ("http-500", 500, 500), ("token-expired", 200, 1001)],
    ids=lambda refusal: refusal[0],
)
async def test_a_refusal_fires_once_before_any_work(sandbox, caller, session_id, title, refusal):
    story, status, code = refusal
    text = f"{title} [[story:{story}]]"

    refused = await caller.say(session_id, text)
    accepted = await caller.say(session_id, text)

    assert (refused.status, refused.refusal["code"]) == (status, code)
    assert accepted.refusal == {}
    assert await charged(sandbox, text) == 50


async def test_a_lost_session_is_gone_and_the_same_text_works_in_a_new_one(sandbox, caller, session_id, clip, title):
    text = title + " [[story:session-lost]]"
    assert (await caller.say(session_id, text)).refusal["code"] == 1002
    assert (await caller.state(session_id))["code"] == 1002

    fresh = await caller.open_session()
    await caller.upload(fresh, clip)
    await caller.say(fresh, text)

    assert await charged(sandbox, text) == 50


async def test_an_anonymous_token_that_expired_gives_way_to_the_next_of_its_client(sandbox, caller, title):
    client = {"X-Client-Id": str(uuid4())}
    first = (await caller.http.post("/api/auth/anonymous-token", headers=client)).json()["data"]["token"]
    async with calling(sandbox.url, first) as old:
        session_id = await old.open_session()
        assert (await old.say(session_id, title + " [[story:token-expired]]")).refusal["code"] == 1001
        assert (await old.state(session_id))["code"] == 1001

    second = (await caller.http.post("/api/auth/anonymous-token", headers=client)).json()["data"]["token"]

    async with calling(sandbox.url, second) as new:
        assert (await new.state(session_id))["code"] == 1002


async def test_without_enough_credits_nothing_starts(sandbox, title):
    async with calling(sandbox.url, await sandbox.add_token(credits=49)) as poor:
        heard = await poor.say(await poor.open_session(), title)
        assert heard.refusal["code"] == 2001
        assert await poor.balance() == {"available": 49, "frozen": 0, "total": 49}


async def test_a_session_takes_one_message_at_a_time(caller, session_id, title):
    await caller.say(session_id, title + " [[story:drop-stream]]")

    assert (await caller.say(session_id, title)).refusal["code"] == 1003


async def test_an_edit_goes_on_when_its_client_has_left(sandbox, caller, session_id, title):
    text = title + " [[story:slow]]"

    await caller.say(session_id, text, leave_after=b"\n\n")

    assert await charged(sandbox, text) == 50
    assert title.split('"')[1] in str(await caller.draft(session_id))
