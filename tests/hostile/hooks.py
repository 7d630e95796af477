"""What schemathesis cannot know by itself. Loaded by its command line, see `schemathesis.toml`."""

import itertools
import os
import re
from typing import Any

import requests
import requests.adapters
import requests.sessions
import schemathesis
from hypothesis import strategies as st
from urllib3.util import Retry

from service.idempotency import KEY_PATTERN

URLS = itertools.cycle(os.environ["REELGATE_APIS"].split(","))
NUMBERS = itertools.count()
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 500
#: room for a number in a key of at most 255
SHORT = 200
#: need the default webhook, which the description's own DELETE may have unset
OF_DEFAULT_WEBHOOK = ("POST /v1/webhook:enable", "POST /v1/webhook:test")


class RepeatingAdapter(requests.adapters.HTTPAdapter):
    """Sends a call again for a while where it is answered 503, as its callers shall: Redis is slow on a busy machine."""

    def __init__(self, **options: Any) -> None:
        repeats = Retry(
            total=20,
            connect=0,
            read=0,
            backoff_factor=0.5,
            backoff_max=2,
            status_forcelist={503},
            allowed_methods=None,
            respect_retry_after_header=False,  # it would repeat a 429 and a 413 too
            raise_on_status=False,
        )
        super().__init__(**options | {"max_retries": repeats})


#: schemathesis makes a session for each of its threads, and has no other place to say this
requests.sessions.HTTPAdapter = RepeatingAdapter  # type: ignore[misc]

schemathesis.openapi.media_type("application/octet-stream", st.sampled_from([MP4, b"", b"GIF89a"]))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Ask the processes in turns; and use no good key twice, or a stored answer would be taken for what is there."""
    case.operation.base_url = next(URLS)
    key = (case.headers or {}).get("Idempotency-Key", "")
    if len(key) < SHORT and re.fullmatch(KEY_PATTERN, key):
        quote = '"' if key.startswith('"') else ""
        case.headers["Idempotency-Key"] = f"{quote}{next(NUMBERS)}-{key.removeprefix(quote)}"
    if case.operation.label in OF_DEFAULT_WEBHOOK:
        set_default_webhook()


def set_default_webhook() -> None:
    auth = {"Authorization": f"Bearer {os.environ['REELGATE_API_KEY']}"}
    url = {"url": "https://hooks.example.com/in"}
    requests.put(f"{next(URLS)}/v1/webhook", json=url, headers=auth, timeout=20).raise_for_status()


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """Leave out empty values: a call takes `limit=` as if it were not there, which no schema can say."""
    return "" not in (query or {}).values()
