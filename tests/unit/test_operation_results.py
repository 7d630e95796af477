"""What an operation in Redis answers is read into a typed value, by names."""

from typing import Literal, NamedTuple

import pytest

from core.store.redis.results import Nothing, read_result


class Result(NamedTuple):
    outcome: Literal["ok", "lost"]
    record: bytes = b""
    name: str | None = None
    used: int = 0
    eta_s: float | None = None
    written: bool = False
    ids: tuple[str, ...] = ()
    waits: tuple[bytes, ...] = ()


def test_every_kind_of_value_is_read_by_its_name() -> None:
    answer = [b"written", 1, b"ids", [b"a", b"b"], b"waits", [b"{}"], b"record", b"\xff", b"name", b"n", b"used", 3]
    assert read_result([*answer, b"eta_s", b"1.5", b"outcome", b"ok"], Result) == Result(
        "ok", b"\xff", "n", 3, 1.5, True, ("a", "b"), (b"{}",)
    )


def test_what_is_absent_has_its_default() -> None:
    assert read_result([b"outcome", b"lost"], Result) == Result("lost")
    assert read_result([], Nothing) == Nothing()


def test_a_name_that_the_type_does_not_have_and_one_that_is_missing_are_mistakes() -> None:
    with pytest.raises(KeyError):
        read_result([b"outcome", b"ok", b"other", b"x"], Result)
    with pytest.raises(TypeError):
        read_result([b"used", 1], Result)
