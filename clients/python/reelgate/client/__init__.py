"""The client of the Reelgate API.

```python
from reelgate.client import Reelgate

with Reelgate("https://reelgate.example.com", key) as reelgate:
    job = reelgate.run("trim the first 2 seconds", "clip.mp4", to="out.mp4")
```
"""

from reelgate.client import types
from reelgate.client.async_client import AsyncReelgate
from reelgate.client.calls import JobAsk, JobOptions, Media
from reelgate.client.client import Reelgate
from reelgate.client.errors import (
    BadSignature,
    DownloadFailed,
    InvalidRequest,
    JobCanceled,
    JobExpired,
    JobFailed,
    JobNotDone,
    LimitReached,
    MediaRefused,
    NoAnswer,
    NoFilm,
    NotAuthorized,
    NotFound,
    NotPossibleNow,
    ReelgateError,
    Refused,
    StillRunning,
    Unavailable,
    WrongCell,
    require_success,
)
from reelgate.client.signatures import verify
from reelgate.client.types import Batch, Credits, Delivery, Estimate, Event, Job, Output, Problem, Session, Upload

__all__ = [
    "AsyncReelgate",
    "BadSignature",
    "Batch",
    "Credits",
    "Delivery",
    "DownloadFailed",
    "Estimate",
    "Event",
    "InvalidRequest",
    "Job",
    "JobAsk",
    "JobCanceled",
    "JobExpired",
    "JobFailed",
    "JobNotDone",
    "JobOptions",
    "LimitReached",
    "Media",
    "MediaRefused",
    "NoAnswer",
    "NoFilm",
    "NotAuthorized",
    "NotFound",
    "NotPossibleNow",
    "Output",
    "Problem",
    "Reelgate",
    "ReelgateError",
    "Refused",
    "Session",
    "StillRunning",
    "Unavailable",
    "Upload",
    "WrongCell",
    "require_success",
    "types",
    "verify",
]
