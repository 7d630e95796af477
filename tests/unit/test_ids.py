"""Ids: what they look like, with and without a cell's name, and what is none."""

import re

import pytest

from core.ids import CELL_NAME, cell_of, id_prefix, is_id, new_id
from core.store.events import stream_id
from core.store.tenants.api_keys import cell_of_key

UUID = "019a3c1e-7b2f-7c3d-9e4f-0123456789ab"


def test_without_a_cell_an_id_is_a_prefix_and_a_uuid() -> None:
    made = new_id("job")
    assert re.fullmatch(r"job_[0-9a-f-]{36}", made)
    assert is_id(made, "job")
    assert cell_of(made) == ""


def test_in_a_cell_its_name_stands_between_the_two() -> None:
    made = new_id("job", "eu1")
    assert re.fullmatch(r"job_eu1_[0-9a-f-]{36}", made)
    assert is_id(made, "job")
    assert not is_id(made, "ses")
    assert cell_of(made) == "eu1"


@pytest.mark.parametrize("cell", ["EU1", "eu-1", "eu_1", "eu.1", "", "a" * 13, "../etc", "é"])
def test_what_is_no_name_of_a_cell_makes_no_id(cell: str) -> None:
    text = f"job_{cell}_{UUID}"
    assert not re.fullmatch(CELL_NAME, cell)
    assert not is_id(text, "job")
    assert cell_of(text) == ""


@pytest.mark.parametrize("cell", ["", "eu1"])
def test_an_events_id_is_its_place_in_the_stream_in_every_cell(cell: str) -> None:
    assert stream_id(f"{id_prefix('evt', cell)}{UUID}") == f"{0x019A3C1E7B2F}-{0xC3D}"


@pytest.mark.parametrize(
    ("api_key", "cell"),
    [
        ("rg_eu1.c2VjcmV0", "eu1"),
        ("rg_c2VjcmV0", ""),
        ("rg_eu1_c2VjcmV0", ""),
        ("rg_EU1.c2VjcmV0", ""),
        ("rg_.c2VjcmV0", ""),
        ("sk_eu1.c2VjcmV0", ""),
        ("", ""),
    ],
)
def test_a_key_names_its_cell_or_none(api_key: str, cell: str) -> None:
    assert cell_of_key(api_key) == cell
