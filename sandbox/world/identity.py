"""What a world is known by: ports, key, secrets. A kept world has them again at its next start, others for one life."""

import secrets
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from sandbox.world.embedded_redis import new_password
from sandbox.world.ports import free_port
from sandbox.world.settings import new_sandbox_token

Port = Annotated[int, Meta(ge=1, le=65_535)]


@dataclass(kw_only=True)
class Identity:
    #: raised when files of before can no longer be read as one of these
    format: Literal[1] = 1
    #: by part: ``{"redis": 21001, "api-1": 21002, "worker-1": 21003}``
    ports: dict[str, Port] = field(default_factory=dict)
    redis_password: str = field(default_factory=new_password, repr=False)
    #: an account that its own backend shall have
    sandbox_token: str = field(default_factory=new_sandbox_token, repr=False)
    #: what the gateway encrypts and hashes with
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    #: whose key the world shows; until it is made, empty as the three below
    tenant: str = ""
    api_key: str = field(default="", repr=False)
    #: names the API key where its secret is not shown
    api_key_id: str = ""
    webhook_secret: str = field(default="", repr=False)

    def port_of(self, part: str) -> int:
        """Give a part's port, which is chosen the first time."""
        if part not in self.ports:
            self.move(part)
        return self.ports[part]

    def move(self, part: str) -> None:
        """Give a part a port that nobody has, nor will have once all parts run."""
        while (port := free_port()) in self.ports.values():
            pass
        self.ports[part] = port
