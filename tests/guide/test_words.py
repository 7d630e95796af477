"""The guide names all that the code has of a kind: what is new there is missed here."""

import re

import pytest

from core.errors import Code, WaitReason
from core.events.event import TENANT_EVENTS
from core.media.formats import FORMATS
from core.model.job import Stage, Status
from core.profiles import PROFILES
from tests.guide.page import DOCS, ROOT


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


def test_the_errors_page_says_what_to_do_about_every_status_of_a_refusal():
    table = (DOCS / "errors.md").read_text("utf-8").partition("| status | what to do |")[2].partition("\n\n")[0]
    said = {int(status) for row in table.splitlines() for status in re.findall(r"\d{3}", row.partition(" | ")[0])}
    refusals = (ROOT / "openapi" / "errors.md").read_text("utf-8").partition("## A job failed")[0]
    told = {
        int(status)
        for row in re.findall(r"^\| `\w+` \| ([\d, ]+) \|", refusals, re.MULTILINE)
        for status in row.split(",")
    }
    assert len(told) > 10
    assert told <= said
