"""The proxy's own parts: each shape says the same as before, and the proxy as it is says what the sandbox says."""

import gzip
import json
from pathlib import Path

import httpx
import pytest

from tests.dialects import shapes
from tests.dialects.asgi import Reply, page
from tests.dialects.codings import Gzip, StoredBrotli
from tests.dialects.dialects import AS_IT_IS, DIALECTS, PACE, Dialect, mixed, shaped
from tests.dialects.proxy import Conversation, _lagging, drafts_in
from tests.dialects.proxy_server import running_proxy

DRAFT = {
    "t": [{"id": "t1", "tt": 0, "sg": [{"id": "s1", "st": 0, "d": 2000, "src": "http://x/a.mp4"}]}],
    "updatedAt": 7,
}
STATE = {
    "session_id": "5529798706024415232",
    "state": {
        "draft": DRAFT,
        "video_infos": [{"filename": "a.mp4", "duration": 2.5, "hash": "abc"}],
        "generated_media": [],
        "canvas_config": {"width": 1920},
    },
}
DONE = {"id": "render_1", "status": "completed", "progress": 100, "outputUrl": "http://x/o.mp4"}
EDITED = {**DRAFT, "t": [*DRAFT["t"], {"id": "t2", "tt": 7, "sg": [{"id": "s2", "st": 0, "d": 1000}]}]}


def state_with(draft):
    return {**STATE, "state": {**STATE["state"], "draft": draft}}


def test_an_answer_is_found_in_every_envelope_and_without_one():
    for envelope in (shapes.bare, shapes.code_and_data, shapes.success_and_data, shapes.code_as_text):
        assert shapes.unwrapped(envelope(STATE)) == STATE
    assert shapes.unwrapped({"code": 0, "data": None}) is None


def test_a_refusal_is_known_by_its_code_or_by_success():
    assert shapes.is_refusal({"code": 1002})
    assert shapes.is_refusal({"success": False})
    assert not any(map(shapes.is_refusal, ({"code": 0}, {"success": True, "data": {}}, {}, [])))


def test_numbers_become_text_and_the_draft_stays_as_it_is():
    told = shapes.numbers_as_text("state", STATE)["state"]
    assert told["video_infos"][0]["duration"] == "2.5"
    assert told["canvas_config"] == {"width": "1920"}
    assert told["draft"] == DRAFT
    assert shapes.numbers_as_text("upload", {"session_state_applied": True}) == {"session_state_applied": True}


def test_only_ids_of_digits_become_numbers():
    told = {"session_id": "5529798706024415232", "task_id": "a1", "hash": "123", "taskId": "42"}
    wanted = {"session_id": 5529798706024415232, "task_id": "a1", "hash": "123", "taskId": 42}
    assert shapes.ids_as_numbers("session", told) == wanted


def test_unknown_keys_are_the_same_at_every_read():
    once, again = shapes.unknown_keys("state", STATE), shapes.unknown_keys("state", STATE)
    assert once == again
    assert "x_reserved" in once["state"]["draft"]["t"][0]["sg"][0]


@pytest.mark.parametrize("shape", [shapes.draft_as_text, shapes.draft_nested, shapes.draft_elsewhere])
def test_the_draft_is_still_there_wherever_it_is_put(shape):
    assert list(drafts_in(shape("state", STATE))) == [DRAFT]
    assert shape("credits", {"available": 1}) == {"available": 1}


@pytest.mark.parametrize(
    "shape", [shapes.change_in_canvas, shapes.change_in_generated_media, shapes.change_in_material]
)
def test_a_hidden_change_shows_somewhere_and_only_when_there_is_one(shape):
    before, after = shape("state", state_with(DRAFT)), shape("state", state_with(EDITED))
    assert before != after
    assert before == shape("state", state_with({**DRAFT, "updatedAt": 8}))
    assert without_material(before) == without_material(after)


def without_material(data):
    segments = [segment for track in data["state"]["draft"]["t"] for segment in track["sg"]]
    return [{key: value for key, value in segment.items() if key != "material_id"} for segment in segments]


def test_a_session_without_media_has_nothing_on_its_timeline_yet():
    empty = {"state": {"draft": {}, "video_infos": [], "generated_media": [], "canvas_config": {}}}
    assert shapes.change_in_canvas("state", empty)["state"]["draft"] == {}


def test_what_is_made_of_nothing_is_one_piece_that_no_edit_moves():
    made = {**STATE, "state": {**STATE["state"], "video_infos": []}}
    [track] = shapes.change_in_canvas("state", made)["state"]["draft"]["t"]
    assert len(track["sg"]) == 1
    nothing = {**made, "state": {**made["state"], "draft": {}}}
    assert shapes.change_in_canvas("state", nothing)["state"]["draft"] == {}


def test_video_infos_come_by_name():
    assert shapes.infos_by_name("state", STATE)["state"]["video_infos"]["abc"]["filename"] == "a.mp4"


def test_credits_are_told_without_frozen_or_with_somebody_elses():
    balance = {"available": 5, "frozen": 1, "total": 6}
    assert shapes.without_frozen("credits", balance) == {"available": 5, "total": 6}
    assert shapes.others_frozen("credits", balance) == {"available": 5, "frozen": 701, "total": 706}


def test_progress_and_status_are_written_in_other_ways():
    assert shapes.progress_as_share("status", DONE)["progress"] == 1.0
    assert shapes.progress_as_words("status", DONE)["progress"] == "100%"
    assert shapes.status_in_capitals("status", DONE)["status"] == "COMPLETED"
    assert shapes.status_as_title("status", DONE)["status"] == "Completed"


def test_streams_keep_their_events():
    frame = b'data: {"content":{"parts":[{"functionCall":{"id":"1"}}]}}\n\n'
    assert b'"function_call"' in shapes.snake_case(frame)
    assert shapes.heartbeat_words(frame).startswith(frame)
    assert shapes.heartbeat_words(frame[:-5]) == frame[:-5]


def test_codings_can_be_read_chunk_by_chunk():
    encoder = Gzip()
    assert gzip.decompress(encoder.feed(b"one ") + encoder.feed(b"two") + encoder.end()) == b"one two"


def test_stored_brotli_is_what_the_library_reads():
    """Known answers, read back with the brotli library when this was written."""
    encoder = StoredBrotli()
    assert (encoder.feed(b"hello") + encoder.end()).hex() == "400010" + b"hello".hex() + "03"
    assert StoredBrotli().end() == b"\x06"


def test_a_state_lags_behind_until_its_time_has_come():
    conversation = Conversation(Dialect("late", lag_s=2.0 * PACE))
    assert _lagging(conversation, "s", state_with(DRAFT), 0.0) == state_with(DRAFT)
    assert _lagging(conversation, "s", state_with(EDITED), 10.0) == state_with(DRAFT)
    assert _lagging(conversation, "s", state_with(EDITED), 11.9) == state_with(DRAFT)
    assert _lagging(conversation, "s", state_with(EDITED), 12.0) == state_with(EDITED)


def test_mixes_are_the_same_for_a_seed_and_take_one_of_a_kind():
    assert mixed(5) == mixed(5)
    assert mixed(5) != mixed(6)
    for seed in range(50):
        told = shaped(mixed(seed), "state", STATE)
        json.dumps(told)
        assert list(drafts_in(told))


def test_each_dialect_has_a_name_of_its_own():
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS)


@pytest.fixture
def told(tmp_path: Path):
    """A proxy before a server that is not there: what it answers by itself needs none."""
    with running_proxy("http://127.0.0.1:9") as proxy, httpx.Client(base_url=proxy.url, trust_env=False) as client:
        yield proxy, client


def test_a_call_always_gets_what_its_conversation_says_and_is_counted(told):
    proxy, client = told
    conversation = proxy.conversations["nmv_usr_a"] = Conversation(
        always={"credits": Reply(503, b"no"), "state": Reply(None)}
    )
    headers = {"Authorization": "Bearer nmv_usr_a"}
    assert client.get("/api/credits/balance/simple", headers=headers).status_code == 503
    with pytest.raises(httpx.HTTPError):
        client.get("/api/state/nemo_agent/me/1/latest", headers=headers)
    assert conversation.calls == {"credits": 1, "state": 1}


def test_a_page_comes_at_the_first_try_alone(told):
    proxy, client = told
    proxy.conversations["nmv_usr_b"] = Conversation(Dialect("p", page=404), always={"state": page(500)})
    answer = client.get("/api/credits/balance/simple", headers={"Authorization": "Bearer nmv_usr_b"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert AS_IT_IS.page is None
