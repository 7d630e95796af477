"""Redacted reprs: what holds a caller's words, a URL or a secret shows only what tells it from others.

A repr ends up in a log, a trace or a failed assertion without anybody meaning it to. Every room marks its types with
`redacted_repr`; a test looks for types that hold such things and are not marked. Nothing here knows what they mean.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


def redacted_repr(*shown: str) -> Callable[[Class], Class]:
    """Let a class show these of its fields alone, where it has them: ``Job(id='job_…', status='running')``.

    Inherited, so that a base can speak for a family. Rich tracebacks, which ask for fields of their own, get the same.
    """

    def facts(self: Any) -> list[tuple[str, Any]]:
        return [(name, value) for name in shown if (value := getattr(self, name, None)) is not None]

    def show(self: Any) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in facts(self))})"

    def mark(cls: Class) -> Class:
        for method, body in (("__repr__", show), ("__rich_repr__", facts)):
            setattr(cls, method, body)
        return cls

    return mark
