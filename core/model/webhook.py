"""A tenant's default webhook: where callbacks go for jobs that name none, how that URL has done, and what signs them."""

from typing import Literal
from urllib.parse import urlsplit

from core.model.job import Record


def without_query(url: str) -> str:
    """Show a callback URL to whoever reads jobs: in its query tokens often stand, for which the scope `admin` is needed."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


class TenantWebhook(Record, frozen=True, kw_only=True):
    """A tenant's default callback target and its state."""

    url: str
    events: tuple[str, ...] = ()
    state: Literal["active", "disabled"] = "active"
    #: the first failure since it was set, enabled, or last took something
    failing_since_ms: int | None = None
    disabled_at_ms: int | None = None
    disabled_why: str | None = None
    #: when it was last set or enabled: what any attempt before came to says nothing about it
    set_at_ms: int | None = None


class WebhookSecret(Record, frozen=True, kw_only=True):
    """A signing secret, encrypted. `until_ms` None: the present one."""

    locked: bytes
    until_ms: int | None = None


class SigningSecrets(Record, frozen=True, kw_only=True):
    """A tenant's signing secrets, the present one first."""

    all: tuple[WebhookSecret, ...]

    def signing(self, now_ms: int) -> tuple[list[bytes], list[bytes]]:
        """List those that sign now, encrypted: the present one, and for a day the one before it."""
        present = [each.locked for each in self.all if each.until_ms is None]
        return present, [each.locked for each in self.all if each.until_ms is not None and each.until_ms > now_ms]
