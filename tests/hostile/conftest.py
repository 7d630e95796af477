"""One harness for all hostile tests: they must leave it as it was, so nothing that one of them sends harms another."""

from collections.abc import Iterator

import pytest

from tests.hostile.harness import Harness, running_harness


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with running_harness(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_error_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """No process may log an error, whatever it is asked."""
    if "harness" not in request.fixturenames:
        yield
        return
    running: Harness = request.getfixturevalue("harness")
    before = len(running.error_lines())
    yield
    assert running.error_lines()[before:] == []
