"""The state of the sandbox backend: all that it remembers, built in one place and thrown away as a whole by a reset.

The routes are handed it; its parts know each other only as far as they say in their constructors.
"""

from pathlib import Path
from typing import Any

from sandbox.backend import ledger
from sandbox.backend.clock import Clock
from sandbox.backend.faults import ActiveFaults
from sandbox.backend.files import FileStore
from sandbox.backend.messages.accept import Messages
from sandbox.backend.renders import Renders
from sandbox.backend.sessions import Sessions
from sandbox.backend.settings import Settings
from sandbox.backend.tokens import Tokens
from sandbox.backend.uploads import MediaIngest


class BackendState:
    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.clock = Clock(settings.time_scale)
        self.faults = ActiveFaults(self.clock)
        self.file_store = FileStore(folder)
        self.ingest = MediaIngest(self.file_store, self.clock, fetch_s=settings.fetch_s)
        self._begin()

    def _begin(self) -> None:
        self.tokens = Tokens(self.settings, self.clock)
        self.sessions = Sessions(self.settings, self.clock)
        self.messages = Messages(self.settings, self.clock, self.tokens, self.sessions)
        self.renders = Renders(self.settings, self.clock, self.file_store)

    async def stop(self) -> None:
        """End what runs, with its child processes."""
        await self.messages.stop()
        await self.renders.stop()

    async def reset(self) -> None:
        """Forget everything; the tokens of the settings are there again, with all their credits."""
        await self.stop()
        self.faults.clear()
        self.file_store.clear()
        self._begin()

    def ledger(self) -> dict[str, Any]:
        return {
            "tokens": [ledger.token_row(token) for token in self.tokens],
            "sessions": [ledger.session_row(session) for session in self.sessions],
            "messages": [ledger.message_row(message) for message in self.messages.received],
            "uploads": [row for session in self.sessions for row in ledger.upload_rows(session)],
            "renders": [ledger.render_row(render) for render in self.renders.by_id.values()],
        }
