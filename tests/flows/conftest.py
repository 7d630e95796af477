"""One world for all flow tests that do not break it: a Redis, the sandbox, a receiver, an API and a worker."""

import pytest

from tests.gateway_fixture import Gateway, running_gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory) -> Gateway:
    with running_gateway(tmp_path_factory.mktemp("world"), REELGATE_RENDER_POLLS="150") as running:
        yield running
