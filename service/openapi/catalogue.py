"""The catalogue of codes: those of refused calls and those of failed jobs, from the tables that the service goes by.

It is in the OpenAPI document (`x-codes` of the schemas `ProblemCode` and `Code`), and from there on the page at `/docs` and
in `openapi/errors.md`.
"""

from collections.abc import Iterator

from core.errors import Meaning
from service.openapi.texts import Json
from service.problem_codes import ProblemMeaning

_HEAD = """# Codes of errors

Written by `./run openapi` from `service/problem_codes.py` and `core/errors.py`.

Decide by the code, never by the words: titles and details may be reworded. New codes may be added, so have a branch for
those that you do not know: with `retryable` true try again later, else show `detail` to a person."""

_REFUSALS = """## A call was refused

The answer has the status, and is a problem document (`application/problem+json`, RFC 9457) whose `code` is one of these. Where
values are wrong, `errors` names each by a JSON pointer, with a code of the same list; where all agree it is the problem's
too. *Again*: whether the same request may succeed later, unchanged; wait for `Retry-After` where it is there."""

_FAILURES = """## A job failed

The job was accepted; it is read with status 200, its `status` is `failed`, and its `error.code` is one of these. *Again*:
whether `POST /v1/jobs/{job_id}/replay` may succeed. A replay from the start is charged anew, one `from` render is not."""


def code_entry(code: str, meaning: ProblemMeaning | Meaning) -> Json:
    """Write a code down: ``{"code": "queue_full", "title": …, "retryable": true, "meaning": …, "action": …}``."""
    action = meaning.action if isinstance(meaning, ProblemMeaning) else meaning.hint
    return {
        "code": str(code),
        "title": meaning.title,
        "retryable": meaning.retryable,
        "meaning": meaning.meaning,
        "action": action,
    }


def statuses_of(document: Json) -> dict[str, list[str]]:
    """Find the statuses that each code of a refusal comes under in some operation."""
    found: dict[str, set[str]] = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {}):
                    example = document["components"]["examples"][code]["value"]
                    found.setdefault(code, set()).add(str(example["status"]) if status == "default" else status)
    return {code: sorted(statuses) for code, statuses in found.items()}


def catalogue_markdown(document: Json) -> str:
    """Write the catalogue as a page."""
    schemas, statuses = document["components"]["schemas"], statuses_of(document)
    refusals, failures = schemas["ProblemCode"]["x-codes"], schemas["Code"]["x-codes"]
    return "\n".join(
        [
            _HEAD,
            "",
            _REFUSALS,
            "",
            *_table(["code", "status", "again", "what it means", "what to do"], refusals, statuses),
            "",
            _FAILURES,
            "",
            *_table(["code", "again", "what it means", "what to do"], failures, None),
            "",
        ]
    )


def _table(heads: list[str], entries: list[Json], statuses: dict[str, list[str]] | None) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    for entry in entries:
        status = [", ".join(statuses[entry["code"]])] if statuses is not None else []
        again = "yes" if entry["retryable"] else "no"
        cells = [f"`{entry['code']}`", *status, again, f"{entry['title']} {entry['meaning']}", entry["action"]]
        yield f"| {' | '.join(cells)} |"
