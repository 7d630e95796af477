"""What the sandbox's contract tests share: a caller with a token of its own. Each file starts a sandbox of its own."""

import pytest_asyncio

from tests.sandbox_caller import calling


@pytest_asyncio.fixture(loop_scope="module")
async def caller(sandbox):
    async with calling(sandbox.url, await sandbox.add_token()) as made:
        yield made
