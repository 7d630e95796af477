"""Codes of refused calls: a closed set, what each means, and what the caller can do. Data only.

`service/problems.py` writes them into problem documents, `service/openapi/catalogue.py` lists them for callers. The codes
of a job that was accepted and failed are in `core/errors.py`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from core.security.url_policy import UrlRefusalCode

#: codes of a call as a whole
CallCode = Literal[
    "malformed_request",
    "malformed_json",
    "unauthorized",
    "scope_missing",
    "link_expired",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "conflict",
    "not_ended",
    "being_sent",
    "in_progress",
    "session_lost",
    "not_available",
    "not_uploaded",
    "too_large",
    "media_too_large",
    "storage_full",
    "uri_too_long",
    "misdirected",
    "unsupported_media_type",
    "unsupported_media",
    "precondition_failed",
    "range_not_satisfiable",
    "invalid",
    "idempotency_key_reused",
    "rate_limited",
    "queue_full",
    "too_many_sessions",
    "budget_exceeded",
    "headers_too_large",
    "internal",
    "unavailable",
    "overloaded",
    "record_unreadable",
]
#: codes of one value; a problem has it as its own where all its wrong values agree
FieldCode = Literal[
    "invalid_value",
    "missing_field",
    "unknown_field",
    "repeated_field",
    "too_long",
    "too_many",
    "unknown_profile",
    "media_needed",
    UrlRefusalCode,
]
ProblemCode = Literal[CallCode, FieldCode]


class ProblemMeaning(NamedTuple):
    """What a code says to a person. `retryable`: the same request may succeed later, unchanged."""

    title: str
    retryable: bool
    #: why it comes, and whether anything was done or charged
    meaning: str
    #: what the caller does about it
    action: str
    #: when it is worth asking again, where the refusal itself does not say it better: the answer's Retry-After
    retry_after_s: int | None = None


_FIX = "Change what `errors[].pointer` names, then send it again."
_URL = "Give a URL that the public internet can call."

PROBLEMS: Mapping[ProblemCode, ProblemMeaning] = MappingProxyType(
    {
        "malformed_request": ProblemMeaning(
            "The request is malformed.",
            False,
            "The request, one of its headers or its form cannot be read. Nothing was done.",
            "Mend the client as `detail` says; sent again as it is, it is refused again.",
        ),
        "malformed_json": ProblemMeaning(
            "The body is not JSON.",
            False,
            "The body cannot be read as JSON in UTF-8; `detail` names the byte. Nothing was done.",
            "Let a JSON library write the body instead of putting strings together.",
        ),
        "unauthorized": ProblemMeaning(
            "An API key is needed.",
            False,
            "There is no API key, or it is not known (any more). Nothing was done.",
            "Send `Authorization: Bearer rg_…`. If the key was revoked, ask the operator for a new one.",
        ),
        "scope_missing": ProblemMeaning(
            "The API key lacks a needed scope.",
            False,
            "The key is good and may not do this: `detail` names the scope, `read`, `submit` or `admin`.",
            "Use a key that has the scope; ask the operator for one.",
        ),
        "link_expired": ProblemMeaning(
            "The link is not good any more.",
            False,
            "The signed link of a film has expired, or was changed on its way. The film may still be there.",
            "Read the job for a fresh `output.url`; do not store links, store job ids.",
        ),
        "not_found": ProblemMeaning(
            "There is no such thing.",
            False,
            "It never was, is gone by its retention, does not exist yet, or is another tenant's.",
            "Check the id and the key's tenant. For an output or a timeline wait for the job's end.",
        ),
        "method_not_allowed": ProblemMeaning(
            "This path does not know the method.",
            False,
            "The path exists, under other methods. Nothing was done.",
            "Use one of the methods in the `Allow` header.",
        ),
        "request_timeout": ProblemMeaning(
            "The body came too slowly.",
            True,
            "A JSON body has 20 s; an upload has 12 hours, may pause for 30 s and must bring 1,000 bytes a second; 50,000 "
            "while others wait for the memory that it takes. Nothing was kept.",
            "Send it again over a better connection, with the same Idempotency-Key.",
        ),
        "conflict": ProblemMeaning(
            "The present state does not allow this.",
            False,
            "What the call needs is gone, e.g. the data of a job that shall be replayed. Nothing was done.",
            "Submit a new job with the original prompt and media.",
        ),
        "not_ended": ProblemMeaning(
            "The job has not ended.",
            True,
            "Only an ended job can be replayed or deleted. Nothing was done.",
            "Wait for its end, or cancel it first.",
            retry_after_s=5,
        ),
        "being_sent": ProblemMeaning(
            "The callback is still being sent.",
            True,
            "An attempt is under way, or comes at once, so a second one would only double it.",
            "Wait until the delivery is `delivered` or `dead`, or its `next_attempt_at` lies ahead.",
        ),
        "in_progress": ProblemMeaning(
            "A call with this Idempotency-Key is under way.",
            True,
            "The first call under this key has not been answered yet. Nothing is done twice.",
            "Ask again after `Retry-After` with the same key: you get the first call's answer.",
            retry_after_s=1,
        ),
        "session_lost": ProblemMeaning(
            "The session is gone.",
            False,
            "The session and its timeline are gone, so there is nothing to render, or to go on from. Nothing was charged.",
            "Replay a job that brought its own files from the start, which edits (and charges) anew, or submit it with files in "
            "a new session.",
        ),
        "not_available": ProblemMeaning(
            "This installation does not offer it.",
            False,
            "Files are kept in a folder here, so none can go straight to storage.",
            "Send the file to `POST /v1/uploads`.",
        ),
        "not_uploaded": ProblemMeaning(
            "The file has not come yet.",
            True,
            "The file of a presigned upload is not in storage.",
            "PUT it to the upload's `url`, then call `complete` again; after an hour ask for a new URL.",
        ),
        "too_large": ProblemMeaning(
            "The body is too large.",
            False,
            "A JSON body may have 4,000,000 bytes, `metadata` 4,096 bytes as JSON. Nothing was done.",
            "Send less; split a batch.",
        ),
        "media_too_large": ProblemMeaning(
            "A file is too large.",
            False,
            "The file is larger than uploads or the job's profile may be (500,000,000 bytes; `GET /v1/profiles` tells each "
            "profile's limit). Nothing is kept or charged.",
            "Compress or cut it, or choose a profile that takes it.",
        ),
        "storage_full": ProblemMeaning(
            "The tenant keeps too many files or bytes.",
            False,
            "Your uploads together have reached your tenant's limit, in number or bytes: `detail` names it. The file was not kept.",
            "Delete uploads that are not needed; others go by themselves a day after their last use.",
        ),
        "uri_too_long": ProblemMeaning(
            "The URL is too long.", False, "The request's first line has no end in sight.", "Shorten the query."
        ),
        "misdirected": ProblemMeaning(
            "This belongs to another cell.",
            False,
            "The service has several cells, and the request came to another one than its id or key belongs to. Nothing was done.",
            "Call the cell that `detail` names, with a key of that cell; if that is the one you called, tell the operator.",
        ),
        "unsupported_media_type": ProblemMeaning(
            "The body's content type is not taken here.",
            False,
            "The body is no `application/json`, is not UTF-8, or is compressed.",
            "Send what `Accept` and `Accept-Encoding` of the answer name.",
        ),
        "unsupported_media": ProblemMeaning(
            "A file's format is not supported.",
            False,
            "Neither the file's name nor its bytes are one of the 13 formats. Nothing is kept or charged.",
            "Convert it to one of the formats that `detail` lists; mp4 works everywhere.",
        ),
        "precondition_failed": ProblemMeaning(
            "It is not the file that you mean.",
            False,
            "The file's `ETag` is none of those in `If-Match`, or it is newer than `If-Unmodified-Since`. Nothing was sent.",
            "Ask without the condition, and compare `ETag` and `Last-Modified` with what you have.",
        ),
        "range_not_satisfiable": ProblemMeaning(
            "The range lies outside of the file.",
            False,
            "`Range` begins behind the file's end; `Content-Range` tells its size.",
            "Ask for bytes within it, or for the whole file.",
        ),
        "invalid": ProblemMeaning(
            "A value is wrong.", False, "Several values are wrong, each for its own reason: see `errors`.", _FIX
        ),
        "invalid_value": ProblemMeaning(
            "A value is not allowed here.",
            False,
            "A value has the wrong type, is out of range or not one of those known. Nothing was done.",
            _FIX,
        ),
        "missing_field": ProblemMeaning(
            "A field is missing.", False, "A field that must be there is not. Nothing was done.", _FIX
        ),
        "unknown_field": ProblemMeaning(
            "A field or query parameter is not known.",
            False,
            "It is refused rather than ignored, since a misspelt limit would limit nothing.",
            "Correct its name, or leave it out.",
        ),
        "repeated_field": ProblemMeaning(
            "A query parameter came twice.", False, "It is not guessed which one counts.", "Send it once."
        ),
        "too_long": ProblemMeaning("A name is too long.", False, "A file's name has too many characters.", _FIX),
        "too_many": ProblemMeaning(
            "There are too many jobs in the batch.",
            False,
            "A batch counts as its number of jobs, and has more than the key may submit in a minute.",
            "Split it, and send the parts a minute apart.",
        ),
        "unknown_profile": ProblemMeaning(
            "There is no such profile.",
            False,
            "`profile` names none of the five skills. Nothing was done.",
            "Use a name of `GET /v1/profiles`, or leave it out for the installation's default.",
        ),
        "media_needed": ProblemMeaning(
            "The job needs a file.",
            False,
            "The profile edits media, and the job brings none into a session that has none.",
            "Add `media`, go on in a session that has some, or use `free-video-generation-automatic` to make a video from text.",
        ),
        "url_too_long": ProblemMeaning("A URL is too long.", False, "A URL may have 4,096 characters at most.", _URL),
        "url_malformed": ProblemMeaning(
            "A URL cannot be read.", False, "It is no full URL, or has characters that no URL has.", _URL
        ),
        "user_info_not_allowed": ProblemMeaning(
            "A URL carries a user name or password.",
            False,
            "URLs stand in records and logs, where no password belongs.",
            "Use a signed URL, or upload the file.",
        ),
        "address_not_allowed": ProblemMeaning(
            "A URL leads to an address that is not public.",
            False,
            "Private, local and reserved addresses are never called, in whatever spelling.",
            _URL + " To try things on one machine, the operator can open a range by REELGATE_ALLOW_ADDRESSES.",
        ),
        "host_not_allowed": ProblemMeaning(
            "A URL's host name is not a public one.",
            False,
            "The name is not valid (IDNA 2008), or can never be a public one.",
            _URL,
        ),
        "scheme_not_allowed": ProblemMeaning(
            "A URL does not begin with https://.",
            False,
            "Only https is called, unless the operator allows http.",
            "Serve it over https.",
        ),
        "port_not_allowed": ProblemMeaning(
            "A URL's port belongs to another service.",
            False,
            "Ports of mail, databases and the like are not called.",
            "Serve it on port 443, or on a free one above 1024.",
        ),
        "idempotency_key_reused": ProblemMeaning(
            "The Idempotency-Key was used for another body.",
            False,
            "The key names an earlier call whose body had other bytes. Nothing was done.",
            "Use a new key for each new thing, and repeat a call with the very same bytes.",
        ),
        "rate_limited": ProblemMeaning(
            "Too many calls.",
            True,
            "The key has used up its submits of this minute, or too many tests of the webhook, uploads, large bodies or event "
            "streams are under way.",
            "Wait for `Retry-After`; `RateLimit` tells what is left before you run into it.",
        ),
        "queue_full": ProblemMeaning(
            "The tenant's queue is full.",
            True,
            "So many of your jobs wait already. This one was not accepted.",
            "Wait until some have ended, then submit again with the same Idempotency-Key.",
            retry_after_s=30,
        ),
        "too_many_sessions": ProblemMeaning(
            "The tenant has too many sessions open.",
            True,
            "Sessions that were made by hand stay open until they are closed, or unused for a month.",
            "Close those that are done with: `DELETE /v1/sessions/{session_id}`.",
            retry_after_s=60,
        ),
        "budget_exceeded": ProblemMeaning(
            "The month's credits are used up.",
            True,
            "Your tenant has spent the credits that the operator allows it for this calendar month (UTC). What costs none, such as a "
            "replay from the render, is accepted.",
            "Ask the operator for more, or wait for the next month.",
            retry_after_s=86_400,
        ),
        "headers_too_large": ProblemMeaning(
            "The headers are too large.",
            False,
            "The request's headers have no end in sight.",
            "Send fewer cookies and headers.",
        ),
        "internal": ProblemMeaning(
            "Something went wrong on our side.",
            True,
            "An error that nobody expected. Whether something was done is not known.",
            "Repeat it with the same Idempotency-Key; if it comes again, report the `request_id`.",
        ),
        "unavailable": ProblemMeaning(
            "The store does not answer.",
            True,
            "Redis, the storage of files, or the worker that the call needs does not answer. Nothing was done unless "
            "`detail` says so.",
            "Repeat it after `Retry-After` with the same Idempotency-Key.",
            retry_after_s=1,
        ),
        "overloaded": ProblemMeaning(
            "There is no room for more at present.",
            True,
            "The whole installation has more queued jobs than it takes, or the process that you reached more on its way to it. "
            "Nothing was accepted.",
            "Wait for `Retry-After`, then twice as long each time.",
            retry_after_s=30,
        ),
        "record_unreadable": ProblemMeaning(
            "This release cannot read what is stored.",
            True,
            "A newer release wrote the record, as during an upgrade, or it is damaged. Nothing else is concerned.",
            "Ask again in a minute; tell the operator if it stays.",
            retry_after_s=60,
        ),
    }
)
