"""The reply of a job: what the backend said of the edit, in the length that callers are given."""

#: a reply is given to callers up to this many bytes of UTF-8
REPLY_LIMIT_BYTES = 4096


def shortened_reply(text: str) -> tuple[str, bool]:
    """Cut a reply to 4 kB of UTF-8 without splitting a character; says whether it was cut."""
    raw = text.encode()
    if len(raw) <= REPLY_LIMIT_BYTES:
        return text, False
    return raw[:REPLY_LIMIT_BYTES].decode(errors="ignore"), True
