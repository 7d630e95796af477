"""Which scopes a job needs of its token, and which one a refused call lacked."""

import msgspec
import pytest

from core.model.job import MediaRef
from core.model.plan import Plan
from core.model.session import Session
from tests.store_fixture import make_job
from worker.tokens.availability import needs_of, scope_of

CLIP = (MediaRef(name="clip.mp4", url="https://example.com/clip.mp4"),)
EMPTY = Session(id="ses_1", tenant="acme", profile="free-video-fast", created_at_ms=0)
#: a clip stands in it, and no edit yet; then an edit too
BROUGHT = msgspec.structs.replace(EMPTY, backend_id="b1", media=CLIP, uploaded=1)
EDITED = msgspec.structs.replace(BROUGHT, edits=1)


@pytest.mark.parametrize(
    ("message", "action", "media", "session", "needs"),
    [
        ("mute it", "export", CLIP, EMPTY, {"read", "write", "upload", "render"}),
        ("mute it", "none", CLIP, EMPTY, {"read", "write", "upload"}),
        ("mute it", "none", (), EMPTY, {"read", "write"}),
        (None, "credits", (), EMPTY, {"read"}),
        (None, "state", (), EMPTY, {"read"}),
        (None, "upload", CLIP, EMPTY, {"read", "write", "upload"}),
        # another token would need the session's files again; with an edit there is no other token
        ("mute it", "none", (), BROUGHT, {"read", "write", "upload"}),
        ("mute it", "none", (), EDITED, {"read", "write"}),
    ],
)
def test_a_job_needs_what_its_plan_and_its_files_ask_for(message, action, media, session, needs):
    assert needs_of(make_job(plan=Plan(message=message, action=action), media=media), session) == needs


def test_a_refused_call_lacks_one_scope_and_a_look_at_a_render_says_of_none():
    calls = ("open_session", "message", "upload", "render", "cancel_render", "credits", "state", "render_status")
    assert [scope_of(call) for call in calls] == [
        "write",
        "write",
        "upload",
        "render",
        "render",
        "read",
        "read",
        None,
    ]
