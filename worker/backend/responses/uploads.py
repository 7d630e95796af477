"""What the backend says of an upload: which files it has, and why not."""

from typing import Any

import msgspec

from core.redaction import redacted_repr
from worker.backend.responses.values import flag, number, text, whole, words_of

#: one of these tells that an object speaks of a file
_FILE_KEYS = ("filename", "name", "file_type", "fileType", "cdn_url", "cdnUrl", "url", "hash", "error")


@redacted_repr("file_type", "duration_s", "width", "height", "code")
class UploadedFile(msgspec.Struct, frozen=True):
    filename: str | None
    file_type: str | None
    cdn_url: str | None
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    hash: str | None
    #: why it was not taken, in the backend's words; None: nothing says that it was not
    error: str | None = None
    code: int | None = None


class UploadAnswer(msgspec.Struct, frozen=True):
    """What the backend says of an upload. `applied` None: it does not say whether the session has the files."""

    files: list[UploadedFile]
    applied: bool | None = None
    #: the answer lists files, if only none
    listed: bool = True

    @property
    def brought(self) -> bool:
        """Whether it says that the files are there: each is named, none with an error, and the session has them."""
        return bool(self.files) and self.refused is None and self.applied is not False

    @property
    def refused(self) -> UploadedFile | None:
        """The first file that was not taken."""
        return next((file for file in self.files if file.error is not None), None)

    @property
    def says_no(self) -> bool:
        """Whether it says that nothing was taken, rather than nothing at all."""
        return self.refused is not None or (self.listed and not self.files)


def parse_upload_answer(data: dict[str, Any]) -> UploadAnswer:
    """Read ``{"files": […], "session_state_applied": true}``, or one file by itself."""
    files = data.get("files", data.get("file"))
    entries = files if isinstance(files, list) else [data if files is None else files]
    known = [file for file in entries if isinstance(file, dict) and any(file.get(key) for key in _FILE_KEYS)]
    applied = flag(data.get("session_state_applied", data.get("sessionStateApplied")))
    return UploadAnswer([_uploaded_file(file) for file in known], applied, listed=isinstance(files, list))


def _uploaded_file(file: dict[str, Any]) -> UploadedFile:
    return UploadedFile(
        filename=text(file, "filename", "name"),
        file_type=text(file, "file_type", "fileType", "type"),
        cdn_url=text(file, "cdn_url", "cdnUrl", "url"),
        duration_s=number(file, "duration"),
        width=whole(file, "width"),
        height=whole(file, "height"),
        fps=number(file, "fps"),
        hash=text(file, "hash"),
        error=_file_error(file),
        code=_file_code(file),
    )


def _file_error(file: dict[str, Any]) -> str | None:
    """Say why a file was not taken, however that is written: ``error``, ``success``, ``status`` or ``code``."""
    failed_word = str(file.get("status")).lower() in ("failed", "error", "rejected")
    failed_code = _file_code(file) not in (None, 0, 200)
    words = words_of(file.get("error"))
    if words is None and not (failed_word or failed_code or file.get("success") is False or file.get("error") is True):
        return None
    return words or words_of(file.get("message")) or "it was not taken"


def _file_code(file: dict[str, Any]) -> int | None:
    """Read ``{"code": 4001}``, ``{"error": {"code": "4001"}}``."""
    error = file.get("error")
    inner = whole(error, "code") if isinstance(error, dict) else None
    return whole(file, "code") if inner is None else inner
