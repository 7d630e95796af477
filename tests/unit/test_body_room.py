"""Room in memory for bodies on their way: whoever comes slowly has it until somebody else is refused for it."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, nullcontext
from functools import partial

import pytest

from core.clock import HandClock
from core.storage.upload_files import UPLOAD_LIMIT_BYTES
from core.store.uploads import UPLOAD_LIFE_MS
from service.body_room import BodyRoom, HeldRoom
from service.problems import ApiError
from service.uploads.receive import SLOWEST_BYTES_PER_S, UploadPace, limit_body


def comes(held: HeldRoom | UploadPace, *, bytes_per_s: int, for_s: int = 120) -> None:
    for _ in range(for_s // 10):
        held.note(bytes_per_s * 10, waited_s=10.0)


def is_given_up(held: HeldRoom) -> bool:
    """Let a megabyte come at once."""
    with pytest.raises(ApiError) if held.is_given_up else nullcontext():
        held.note(1_000_000, waited_s=0.0)
    return held.is_given_up


def refused(room: BodyRoom, tenant: str, asked_bytes: int) -> int:
    with pytest.raises(ApiError) as error, room.hold(tenant, asked_bytes):
        pass
    return error.value.status


def test_of_slow_uploads_that_have_all_the_room_the_slowest_goes_once_somebody_is_refused_and_no_other():
    room = BodyRoom(100, HandClock())
    with ExitStack() as under_way:
        held = [under_way.enter_context(room.hold(tenant, size)) for tenant, size in (("a", 50), ("b", 25), ("c", 25))]
        for each, bytes_per_s in zip(held, (20_000, 1_100, 1_200), strict=True):
            comes(each, bytes_per_s=bytes_per_s)
        assert [is_given_up(each) for each in held] == [False] * 3, "while nobody else wants it"
        for each, bytes_per_s in zip(held, (20_000, 1_100, 1_200), strict=True):
            comes(each, bytes_per_s=bytes_per_s)
        assert [refused(room, "d", 20) for _ in range(3)] == [503] * 3
        assert [is_given_up(each) for each in held] == [False, True, False], "for one who asks again and again"


def test_an_upload_that_comes_well_and_a_body_that_does_not_say_how_it_comes_are_given_up_for_nobody():
    room = BodyRoom(100, HandClock())
    with room.hold("a", 50) as fast, room.hold("b", 25) as rests, room.hold("c", 25) as json:
        comes(fast, bytes_per_s=60_000)
        rests.note(1_000_000, waited_s=1.0)
        rests.note(1, waited_s=29.0)
        assert refused(room, "d", 20) == 503
        assert not any(is_given_up(each) for each in (fast, rests, json))


def test_who_has_as_much_as_one_may_have_costs_nobody_else_an_upload():
    room = BodyRoom(100, HandClock())
    with room.hold("a", 20) as other, room.hold("b", 30) as own:
        comes(other, bytes_per_s=1_100, for_s=1200)
        comes(own, bytes_per_s=2_000)
        assert refused(room, "b", 30) == 429
        assert (is_given_up(other), is_given_up(own)) == (False, True)


def test_who_is_refused_since_others_have_nearly_all_has_the_slowest_of_them_ended():
    room = BodyRoom(100, HandClock())
    with room.hold("a", 50) as other, room.hold("b", 25), room.hold("c", 5):
        comes(other, bytes_per_s=1_100)
        assert refused(room, "c", 20) == 429
        assert is_given_up(other)


async def read_on(read: AsyncIterator[bytes], *, times: int) -> None:
    for _ in range(times):
        await anext(read)


async def pieces_of(size_bytes: int) -> AsyncIterator[bytes]:
    while True:
        yield bytes(size_bytes)


async def test_a_reader_who_stops_is_hung_up_on_once_others_are_refused_and_one_who_reads_on_is_not():
    clock, hung_up = HandClock(), []
    room = BodyRoom(100, clock)
    with ExitStack() as read:
        held = [
            read.enter_context(room.hold(name, 50 >> n, partial(hung_up.append, name))) for n, name in enumerate("ab")
        ]
        stops, reads_on = (each.as_read(pieces_of(250_000)) for each in held)
        await anext(stops)
        for _ in range(30):
            await read_on(reads_on, times=1)
            clock.turn(by_s=4)
        assert (refused(room, "c", 50), hung_up) == (503, ["a"])
        assert refused(room, "c", 50) == 503
        assert hung_up == ["a"], "it is ending"


@pytest.mark.parametrize("taken", [0, 1])
async def test_a_reader_who_stops_before_the_first_or_behind_the_last_piece_is_hung_up_on_too(taken: int):
    """Nothing more is read from it then: a thousand ranges of one piece, or behind an answer that nobody takes, had all the room."""
    clock, hung_up = HandClock(), []
    room = BodyRoom(100, clock)

    async def last_piece() -> AsyncIterator[bytes]:
        yield bytes(250_000)

    with room.hold("a", 50, partial(hung_up.append, "a")) as held:
        read = held.as_read(last_piece())
        if taken:
            assert [len(chunk) async for chunk in read] == [250_000]
        assert (refused(room, "b", 60), hung_up) == (503, [])
        clock.turn(by_s=120)
        assert (refused(room, "b", 60), hung_up) == (503, ["a"])


def test_as_many_go_as_make_room_for_who_was_refused_and_no_more():
    room = BodyRoom(100, HandClock())
    with ExitStack() as under_way:
        held = [under_way.enter_context(room.hold(tenant, 10)) for tenant in "abcdefghij"]
        for number, each in enumerate(held):
            comes(each, bytes_per_s=1_000 + number)
        assert refused(room, "x", 25) == 503
        assert [each.is_given_up for each in held] == [True] * 3 + [False] * 7
    with ExitStack() as under_way:
        held = [under_way.enter_context(room.hold("a", 10)) for _ in range(5)]
        for number, each in enumerate(held):
            comes(each, bytes_per_s=1_000 + number)
        assert refused(room, "a", 15) == 429
        assert [each.is_given_up for each in held] == [True] * 2 + [False] * 3
        for each in held[:2]:
            under_way.enter_context(room.keep("a", -each.size_bytes))
        under_way.enter_context(room.hold("a", 15))


async def test_an_upload_that_is_given_up_ends_with_its_next_bytes():
    room = BodyRoom(100, HandClock())

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        comes(held, bytes_per_s=1_100)
        assert refused(room, "b", 100) == 503
        yield b"x"

    with room.hold("a", 60) as held, pytest.raises(ApiError, match="50000 bytes a second"):
        assert [chunk async for chunk in limit_body(body(), held)] == [b"x"]
    with room.hold("b", 100):
        pass


def test_an_upload_as_slow_as_it_may_be_ends_before_it_would_be_taken_for_what_somebody_left_that_died():
    life_s = UPLOAD_LIFE_MS // 1000
    assert life_s * SLOWEST_BYTES_PER_S < UPLOAD_LIMIT_BYTES, "a day is too short for it"
    with pytest.raises(ApiError, match="within 12 hours"):
        comes(UploadPace(), bytes_per_s=SLOWEST_BYTES_PER_S, for_s=life_s)
