"""The upload record: what is known of a file that a caller sends us; its bytes are in `core.storage`."""

from core.model.job import Record


class Upload(Record, frozen=True, kw_only=True):
    """A file that a caller sends us. `path` is a key in our storage; `size_bytes` is 0 until it has come."""

    id: str
    tenant: str
    filename: str
    format: str
    size_bytes: int
    path: str
    #: by its header, in seconds; None: it has none, does not say, or an older version took it
    duration_s: float | None = None
    created_at_ms: int
