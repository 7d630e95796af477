"""One ground for all hostile tests: they must leave it as it was, so nothing that one of them sends harms another."""

from collections.abc import Iterator

import pytest

from tests.hostile.ground import Ground, laid_ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with laid_ground(tmp_path_factory.mktemp("hostile")) as laid:
        yield laid


@pytest.fixture(autouse=True)
def no_outcry(request: pytest.FixtureRequest) -> Iterator[None]:
    """No process may log an error, whatever it is asked."""
    if "ground" not in request.fixturenames:
        yield
        return
    laid: Ground = request.getfixturevalue("ground")
    before = len(laid.outcry())
    yield
    assert laid.outcry()[before:] == []
