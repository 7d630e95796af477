"""What the backend says of an upload: which files it has, and why not."""

import re
from collections.abc import Collection
from typing import Any

import msgspec

from core.media.formats import format_of_name
from core.security.redacted_repr import redacted_repr
from worker.backend.codes import SUCCESS_CODES
from worker.backend.responses.values import flag, number, text, whole, words_of

#: a word by which a file's status says that it is not there: ``failed``, ``download_error``, ``REJECTED``
_FAILED_WORD = re.compile(r"fail|error|reject|invalid|denied|unsupported|timed?_?out|unreachable|cancel", re.IGNORECASE)
#: each of them false says that a file was not taken
_TAKEN_FLAGS = ("success", "ok", "uploaded", "applied", "session_state_applied", "sessionStateApplied")
_ERROR_KEYS = ("error", "error_message", "errorMessage", "error_msg", "errorMsg", "errors", "failure_reason")
_CODE_KEYS = ("code", "error_code", "errorCode")
#: what an answer lists beside its files that were not taken
_FAILED_LISTS = ("errors", "failed", "failed_files", "failedFiles", "failed_urls", "failedUrls", "rejected")
#: where a file's link stands
_LINK_KEYS = ("cdn_url", "cdnUrl", "url")
#: where files may be listed, if not as such
_OTHER_LISTS = ("uploaded_files", "uploadedFiles", "uploaded", "urls", "cdn_urls", "cdnUrls")
#: one of these tells that an object speaks of a file
_FILE_KEYS = ("filename", "name", "file_type", "fileType", *_LINK_KEYS, "hash", *_ERROR_KEYS, *_CODE_KEYS)


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
    #: it has a place for its link, and there is none
    linkless: bool = False

    @property
    def tells_link_alone(self) -> bool:
        """Whether nothing is known of it but where it is."""
        return self.error is None and not any((self.filename, self.file_type, self.duration_s, self.hash))


class UploadAnswer(msgspec.Struct, frozen=True):
    """What the backend says of an upload. `applied` None: it does not say whether the session has the files."""

    files: list[UploadedFile]
    applied: bool | None = None
    #: the answer lists files, if only none
    listed: bool = True

    def without_echo(self, urls: Collection[str]) -> "UploadAnswer":
        """Leave out what only repeats the URLs that are to be fetched: that they were, it does not say."""
        told = [file for file in self.files if not (file.cdn_url in urls and file.tells_link_alone)]
        if self.applied or len(told) == len(self.files):
            return self
        return msgspec.structs.replace(self, files=told, listed=bool(told))

    @property
    def brought(self) -> bool:
        """Whether it says that the files are there: each is named, none with an error or an empty link, and the session
        has them.
        """
        there = self.files and not any(file.linkless for file in self.files)
        return bool(there) and self.refused is None and self.applied is not False

    @property
    def refused(self) -> UploadedFile | None:
        """The first file that was not taken."""
        return next((file for file in self.files if file.error is not None), None)

    @property
    def says_no(self) -> bool:
        """Whether it says that nothing was taken, rather than nothing at all."""
        return self.refused is not None or (self.listed and not self.files)


def parse_upload_answer(data: dict[str, Any]) -> UploadAnswer:
    """Read ``{"files": […], "session_state_applied": true}``, or one file by itself. They may be named, or be links, alone."""
    listed = _listed(data)
    files = _by_name(data if listed is None else listed) or listed
    entries = files if isinstance(files, list) else [data if files is None else files]
    entries = [*map(_as_object, entries), *_failed_entries(data)] if isinstance(files, list) else entries
    known = [file for file in entries if isinstance(file, dict) and any(file.get(key) for key in _FILE_KEYS)]
    applied = flag(data.get("session_state_applied", data.get("sessionStateApplied")))
    return UploadAnswer([_uploaded_file(file) for file in known], applied, listed=isinstance(files, list))


def _listed(data: dict[str, Any]) -> object:
    """Find what lists the files. An answer that is a file itself, or an error, lists none elsewhere."""
    files = data.get("files", data.get("file"))
    if files or any(data.get(key) for key in _FILE_KEYS):
        return files
    return next((data[key] for key in _OTHER_LISTS if data.get(key) and isinstance(data[key], list)), files)


def _by_name(files: object) -> list[dict[str, Any]]:
    """Read ``{"clip.mp4": {"cdn_url": "…"}}`` and ``{"clip.mp4": "https://…"}``."""
    named = files.items() if isinstance(files, dict) else ()
    return [
        {"filename": name} | (file if isinstance(file, dict) else {"cdn_url": file})
        for name, file in named
        if format_of_name(name) and (isinstance(file, dict) or (isinstance(file, str) and "://" in file))
    ]


def _as_object(file: object) -> object:
    """Read a file that is nothing but a link or a name; of other words nobody knows what they say."""
    if not isinstance(file, str):
        return file
    if "://" in file:
        return {"cdn_url": file}
    return {"filename": file} if format_of_name(file) else None


def _failed_entries(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Read ``{"files": [], "errors": ["not reachable"]}`` and ``"failed": [{"url": "…", "reason": "403"}]``."""
    listed = [entry for key in _FAILED_LISTS if isinstance(data.get(key), list) for entry in data[key]]
    return [
        {"status": "failed"} | entry | {"error": words_of(entry.get("error")) or words_of(entry.get("reason")) or True}
        if isinstance(entry, dict)
        else {"error": entry}
        for entry in listed
        if entry
    ]


def _uploaded_file(file: dict[str, Any]) -> UploadedFile:
    return UploadedFile(
        filename=text(file, "filename", "name"),
        file_type=text(file, "file_type", "fileType", "type"),
        cdn_url=text(file, *_LINK_KEYS),
        duration_s=number(file, "duration"),
        width=whole(file, "width"),
        height=whole(file, "height"),
        fps=number(file, "fps"),
        hash=text(file, "hash"),
        error=_file_error(file),
        code=_file_code(file),
        linkless=any(key in file for key in _LINK_KEYS) and text(file, *_LINK_KEYS) is None,
    )


def _file_error(file: dict[str, Any]) -> str | None:
    """Say why a file was not taken, however that is written: ``error``, ``success``, ``status`` or ``code``."""
    failed_word = _FAILED_WORD.search(str(file.get("status"))) is not None
    failed_code = _file_code(file) not in (None, *SUCCESS_CODES)
    denied = any(flag(file.get(key)) is False for key in _TAKEN_FLAGS)
    told = [file.get(key) for key in _ERROR_KEYS]
    words = next((found for found in map(words_of, told) if found), None)
    if words is None and not (failed_word or failed_code or denied or any(told)):
        return None
    return words or words_of(file.get("message")) or "it was not taken"


def _file_code(file: dict[str, Any]) -> int | None:
    """Read ``{"code": 4001}``, ``{"error": {"code": "4001"}}``."""
    error = file.get("error")
    holders = [error, file] if isinstance(error, dict) else [file]
    found = (whole(holder, key) for holder in holders for key in _CODE_KEYS)
    return next((code for code in found if code is not None), None)
