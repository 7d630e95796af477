"""The guide names all that the code has of a kind: what is new there is missed here."""

import re

import pytest

from core.errors import Code, WaitReason
from core.events.event import TENANT_EVENTS
from core.media.formats import FORMATS
from core.model.job import Stage, Status
from core.profiles import PROFILES
from tests.guide.page import DOCS


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("jobs.md", [*Status, *Stage, *WaitReason]),
        ("errors.md", list(Code)),
        ("callbacks.md", [*TENANT_EVENTS, "webhook.test"]),
        ("faq.md", [profile.name for profile in PROFILES.values()]),
        ("uploads.md", list(FORMATS)),
    ],
)
def test_a_page_names_every_word_of_its_kind(page, words):
    text = (DOCS / page).read_text("utf-8")
    assert not [str(word) for word in words if not re.search(rf"\b{re.escape(word)}\b", text)]
