"""The guide is run: every command and sample of every page, in a living world, and every answer that it shows is what came."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_schema_validator import OAS31Validator

from sandbox.world.ports import free_port
from tests.gateway_fixture import Gateway, running_gateway
from tests.guide.page import ANSWERS, DOCS, MARKS, ROOT, RUN_BY, Block, blocks_of, pages, setup_of_all_pages
from tests.guide.shape import LEFT_OUT, http_differences, json_differences, text_differences
from tests.guide.walk import walk
from tests.openapi_check import document

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
#: how many blocks may go unrun: raise it only for what no machine of a test can do
MOST_NOT_RUN = 12
MOST_LINES = 200
CALLED = ("bash", "curl", "jq", "openssl")

page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
#: the others have nothing to run: lists, which tests of their own compare, and what is tested elsewhere
where_something_is_run = pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.is_run for block in blocks_of(page))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    # a third of its edits are silent otherwise, by chance, and recover on their way
    settings = {"SANDBOX_SILENT_RATE": "0", "SANDBOX_SLOW_S": "60"}  # slow enough to be cancelled on any machine
    with running_gateway(tmp_path_factory.mktemp("world"), **settings) as running:
        yield running


@pytest.fixture
def given(gateway: Gateway) -> dict[str, str]:
    """What a reader copies out of what `./run up` prints; skipped where the programs that all pages call are missing."""
    if absent := [program for program in CALLED if shutil.which(program) is None]:
        pytest.skip(f"this machine has no {' and no '.join(absent)}")
    return {
        "REELGATE_API": gateway.world["api"],
        "REELGATE_API_KEY": gateway.world["api_key"],
        "WEBHOOK_SECRET": gateway.world["webhook_secret"],
        "PORT": str(free_port()),
    }


@where_something_is_run
def test_a_page_works_from_top_to_bottom_and_shows_what_comes(
    page: Path, gateway: Gateway, given: dict[str, str], tmp_path: Path
) -> None:
    blocks = blocks_of(page)
    shutil.copy(gateway.clip(), tmp_path / "clip.mp4")
    (tmp_path / "docs").symlink_to(DOCS)
    can = [block for block in blocks if not block.is_run or _has_program(block)]
    said = walk([setup_of_all_pages(), *(block for block in can if "setup" not in block.marks)], tmp_path, given)
    for before, answer in _answers(blocks):
        differences = list(_differences(answer, said[before.line])) if before.line in said else []
        assert not differences, f"{answer} shows what did not come:\n" + "\n".join(differences)
    assert given["REELGATE_API_KEY"] not in "".join(said.values())
    if missing := {RUN_BY[block.language] for block in blocks if block not in can}:
        pytest.skip(f"all but what needs {' and '.join(sorted(missing))}, which this machine has not")


def _has_program(block: Block) -> bool:
    return block.language == "python" or shutil.which(RUN_BY[block.language]) is not None


def _answers(blocks: list[Block]) -> Iterator[tuple[Block, Block]]:
    """Pair each answer with what was run right before it."""
    last: Block | None = None
    for block in blocks:
        if block.is_answer and last is not None:
            yield last, block
        last = block if block.is_run else None


def _differences(answer: Block, said: str) -> Iterator[str]:
    if answer.language == "json":
        return json_differences(json.loads(answer.code), json.loads(said))
    return (http_differences if answer.language == "http" else text_differences)(answer.code, said)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_run_or_compared_or_says_why_not(block: Block) -> None:
    assert block.language in RUN_BY.keys() | ANSWERS | {"html"}, "of what language is it?"
    assert block.marks.keys() <= MARKS, "this comment means nothing"
    assert all(block.marks[mark] for mark in block.marks if mark != "setup"), "it has to say why, or which"
    answered = {id(answer) for _, answer in _answers(_same_page(block))}
    assert (
        block.is_run
        or block.marks.keys() - {"setup"}
        or any(other == block for other in _same_page(block) if id(other) in answered)
    )


def _same_page(block: Block) -> list[Block]:
    return [other for other in BLOCKS if other.page == block.page]


def test_few_blocks_are_not_run_and_all_of_them_can_be_read_by_their_program() -> None:
    unrun = [block for block in BLOCKS if "not run" in block.marks]
    assert len(unrun) <= MOST_NOT_RUN, [str(block) for block in unrun]


@pytest.mark.parametrize("block", [block for block in BLOCKS if "part of" in block.marks], ids=str)
def test_a_sample_is_the_tested_file_word_for_word(block: Block) -> None:
    assert block.code in (DOCS / block.marks["part of"]).read_text("utf-8")


@pytest.mark.parametrize("block", [block for block in BLOCKS if "tested by" in block.marks], ids=str)
def test_a_sample_that_another_test_runs_is_taken_from_this_page(block: Block) -> None:
    test = (ROOT / block.marks["tested by"]).read_text("utf-8")
    assert Path(block.page).name in test


@pytest.mark.parametrize("block", [block for block in BLOCKS if "schema" in block.marks], ids=str)
def test_an_answer_that_stands_alone_is_as_the_document_describes_it(block: Block) -> None:
    method, path, status = block.marks["schema"].split()
    content = document()["paths"][path][method.lower()]["responses"][status]["content"]
    [schema] = [media["schema"] for kind, media in content.items() if kind.endswith("json")]
    shown = json.loads(block.code)
    whole = LEFT_OUT not in shown
    value = {key: value for key, value in shown.items() if key != LEFT_OUT}
    errors = OAS31Validator(schema | {"components": document()["components"]}).iter_errors(value)
    assert not [error.message for error in errors if whole or error.validator != "required"]


def test_the_index_leads_to_every_page() -> None:
    led_to = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text("utf-8")))
    assert led_to == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", sorted(DOCS.glob("[a-z]*.md")), ids=lambda page: page.name)
def test_a_page_says_first_what_its_reader_gets_and_is_short(page: Path) -> None:
    title, _, first, *_ = lines = page.read_text("utf-8").splitlines()
    assert title.startswith("# ")
    assert first.startswith("You get: ")
    assert len(lines) <= MOST_LINES


@page_by_page
def test_what_a_page_names_of_ours_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    described = {re.sub(r"{\w+}", "{}", path): methods for path, methods in document()["paths"].items()}
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^\s`?]*)", text):
        assert method.lower() in described.get(re.sub(r"{\w+}", "{}", path), {}), f"{method} {path}"
