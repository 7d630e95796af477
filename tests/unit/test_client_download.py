"""The client's download: whole or not there, gone on from where it broke, and never under its name before."""

import os
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reelgate.client import DownloadFailed, JobAsk, NoFilm, NotFound, verbs
from reelgate.client.effects import Failure
from reelgate.client.film_download import download
from reelgate.client.film_part import part_of
from tests.client_script import Played, Time, answer, circumstances, play, problem
from tests.no_rights import as_nobody

FILM = bytes(range(256)) * 4


def job(*, size_bytes: int | None = len(FILM), **fields):
    output = {"url": "https://api.example/film?signature=s", "format": "mp4", "size_bytes": size_bytes}
    return answer(200, {"id": "job_1", "status": "succeeded", "output": output} | fields)


def whole(**headers: str):
    return answer(200, b"", **headers)


def part(start: int, total: int = len(FILM)):
    return answer(206, b"", content_range=f"bytes {start}-{total - 1}/{total}")


def test_a_film_lands_whole_under_its_name_and_leaves_nothing_beside_it(tmp_path):
    seen = []
    to = tmp_path / "out.mp4"
    to.write_bytes(b"the old one")
    steps = download(circumstances(), "job_1", to, lambda *progress: seen.append(progress))
    played = play(steps, [job(), whole(), FILM[:600], FILM[600:], b""])
    assert to.read_bytes() == FILM
    assert list(tmp_path.iterdir()) == [to]
    assert seen == [(600, 1024), (1024, 1024)]
    assert played.requests[1].path == "/v1/jobs/job_1/output"
    assert "range" not in played.requests[1].headers


def test_a_break_is_gone_on_from(tmp_path):
    to = tmp_path / "out.mp4"
    outcomes = [job(), whole(), FILM[:600], Failure("ReadError"), part(600), FILM[600:], b""]
    played = play(download(circumstances(), "job_1", to), outcomes)
    assert to.read_bytes() == FILM
    again = played.requests[-1]
    assert again.headers["range"] == "bytes=600-"
    assert "if-range" not in again.headers, "a storage to which it is led knows the film by another name"


@pytest.mark.parametrize("ends", [[b""], [Failure("RemoteProtocolError")]])
def test_a_cut_answer_is_no_film(tmp_path, ends):
    to = tmp_path / "out.mp4"
    outcomes = [job(), whole(), FILM[:600], *ends, part(600), FILM[600:], b""]
    play(download(circumstances(), "job_1", to), outcomes)
    assert to.read_bytes() == FILM


def test_what_another_process_had_is_gone_on_from(tmp_path):
    to = tmp_path / "out.mp4"
    part_of(to, "job_1").write_bytes(FILM[:1000])
    played = play(download(circumstances(), "job_1", to), [job(), part(1000), FILM[1000:], b""])
    assert to.read_bytes() == FILM
    assert played.requests[1].headers["range"] == "bytes=1000-"


def test_what_is_whole_already_is_not_fetched_again(tmp_path):
    to = tmp_path / "out.mp4"
    part_of(to, "job_1").write_bytes(FILM)
    assert len(play(download(circumstances(), "job_1", to), [job()]).requests) == 1
    assert to.read_bytes() == FILM


def test_a_server_that_knows_no_ranges_begins_anew(tmp_path):
    to = tmp_path / "out.mp4"
    part_of(to, "job_1").write_bytes(b"?" * 700)
    play(download(circumstances(), "job_1", to), [job(), whole(), FILM, b""])
    assert to.read_bytes() == FILM


def test_a_part_that_fits_no_film_is_thrown_away(tmp_path):
    to = tmp_path / "out.mp4"
    part_of(to, "job_1").write_bytes(b"?" * 700)
    outcomes = [job(size_bytes=None), answer(416), whole(content_length="1024"), FILM, b""]
    play(download(circumstances(), "job_1", to), outcomes)
    assert to.read_bytes() == FILM


def test_a_key_that_was_revoked_meanwhile_ends_it(tmp_path):
    to = tmp_path / "out.mp4"
    with pytest.raises(DownloadFailed):
        play(download(circumstances(), "job_1", to), [job(), problem(401, "unauthorized")])


def test_a_film_that_does_not_come_says_whose_it_is_and_keeps_what_came(tmp_path):
    clock, to = Time(), tmp_path / "out.mp4"

    def outcomes():
        yield from (job(), whole(), FILM[:600], Failure("ReadError"))
        while True:
            yield Failure("ConnectError", sent=False)

    with pytest.raises(DownloadFailed) as told:
        play(download(circumstances(within_s=20, clock=clock), "job_1", to), outcomes(), clock=clock)
    assert (told.value.job_id, told.value.path) == ("job_1", to)
    assert not to.exists()
    assert part_of(to, "job_1").read_bytes() == FILM[:600]


def test_bytes_that_come_restore_the_patience(tmp_path):
    clock, to = Time(), tmp_path / "out.mp4"

    def outcomes():
        yield job()
        for at in range(0, len(FILM), 64):
            yield part(at) if at else whole()
            clock.now_s += 50
            yield FILM[at : at + 64]
            yield Failure("ReadError") if at + 64 < len(FILM) else b""

    play(download(circumstances(within_s=20, clock=clock), "job_1", to), outcomes(), clock=clock)
    assert to.read_bytes() == FILM


def test_a_job_without_a_film_and_a_film_that_is_gone_are_told(tmp_path):
    with pytest.raises(NoFilm, match="is running"):
        play(download(circumstances(), "job_1", tmp_path / "x"), [job(status="running", output=None)])
    with pytest.raises(NotFound):
        play(download(circumstances(), "job_1", tmp_path / "x"), [job(), problem(404, "not_found")])
    with pytest.raises(DownloadFailed):
        play(download(circumstances(), "job_1", tmp_path / "x"), [job(), answer(404, b"<h1>a proxy's page</h1>")])


def test_a_full_disk_is_told_as_it_is(tmp_path):
    played = Played()
    with pytest.raises(FileNotFoundError):
        play(download(circumstances(), "job_1", tmp_path / "no" / "x"), [job(), whole(), FILM, b""], played=played)


def endlessly(*outcomes):
    while True:
        yield from outcomes


@pytest.mark.parametrize(
    "lying",
    [
        [answer(206, b""), FILM[700:], b""],
        [answer(206, b"", content_type="multipart/byteranges; boundary=x"), FILM[700:], b""],
        [answer(206, b"", content_range="bytes 0-1023/1024"), FILM, b""],
        [answer(206, b"", content_range=f"bytes {'7' * 5000}-1/2"), FILM[700:], b""],
        [part(300), FILM[300:], b""],
        [part(700, total=2000), FILM[700:], b""],
        [answer(200, b"", content_length="38"), b"<html>Sign in to the airport</html>...", b""],
        *(
            [answer(200, b"", content_type=kind), b"Sign in", b""]
            for kind in ("text/html; charset=utf-8", "application/json", "Application/problem+json", "application/xml")
        ),
    ],
)
def test_what_is_no_rest_of_this_film_neither_harms_what_came_nor_is_saved(tmp_path, lying):
    clock, to = Time(), tmp_path / "out.mp4"
    part_of(to, "job_1").write_bytes(FILM[:700])

    def outcomes():
        yield from (job(), lying[0])  # its body is not even read
        yield from (part(700), FILM[700:], b"")

    play(download(circumstances(clock=clock), "job_1", to), outcomes(), clock=clock)
    assert to.read_bytes() == FILM


@pytest.mark.parametrize(
    "always",
    [
        [whole(), FILM[:600], Failure("ReadError")],
        [whole(), FILM * 2],
        [whole(content_length="38")],
        [answer(416)],
        [whole(), b""],
    ],
)
def test_what_breaks_the_same_way_each_time_is_given_up(tmp_path, always):
    clock, to = Time(), tmp_path / "out.mp4"
    played = Played()
    with pytest.raises(DownloadFailed):
        play(
            download(circumstances(within_s=20, clock=clock), "job_1", to),
            chain([job(size_bytes=None if always == [answer(416)] else len(FILM))], endlessly(*always)),
            clock=clock,
            played=played,
        )
    assert sum(played.pauses_s) <= 20
    assert not to.exists()


def in_between(tmp_path, act):
    """Download a film, and do something when half of it has come."""
    to = tmp_path / "out.mp4"

    def outcomes():
        yield from (job(), whole(), FILM[:600])
        act(to)
        yield from (FILM[600:], b"")

    play(download(circumstances(), "job_1", to), outcomes())
    return to


def test_two_that_save_the_same_film_to_the_same_place_both_have_it_whole(tmp_path):
    def another(to):
        play(download(circumstances(), "job_1", to), [job(), whole(), FILM, b""])
        assert to.read_bytes() == FILM

    to = in_between(tmp_path, another)
    assert to.read_bytes() == FILM
    assert list(tmp_path.iterdir()) == [to]


def test_one_that_dies_beside_another_leaves_that_ones_film_whole(tmp_path):
    def another(to):
        with pytest.raises(DownloadFailed):
            play(download(circumstances(within_s=0), "job_1", to), [job(), whole(), FILM[:10], Failure("ReadError")])

    to = in_between(tmp_path, another)
    assert to.read_bytes() == FILM
    assert list(tmp_path.iterdir()) == [to]


def test_a_link_stays_a_link_to_where_the_film_goes(tmp_path):
    (tmp_path / "disk").mkdir()
    to = tmp_path / "out.mp4"
    to.symlink_to(tmp_path / "disk" / "film.mp4")
    play(download(circumstances(), "job_1", to), [job(), whole(), FILM, b""])
    assert to.is_symlink()
    assert (tmp_path / "disk" / "film.mp4").read_bytes() == FILM


def test_what_is_there_and_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no file"):
            play(download(circumstances(), "job_1", place), [job(), whole(), FILM, b""])
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "ä" * 125 + ".mp4"])
def test_the_longest_name_of_a_file_is_no_trouble(tmp_path, name):
    play(download(circumstances(), "job_1", tmp_path / name), [job(), whole(), FILM, b""])
    assert (tmp_path / name).read_bytes() == FILM


def test_a_film_that_is_gone_leaves_nothing_behind(tmp_path):
    with pytest.raises(NotFound):
        play(download(circumstances(), "job_1", tmp_path / "x"), [job(), problem(404, "not_found")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("told", [[problem(404, "not_found")], [job(output=None)]])
def test_a_film_that_goes_while_it_comes_leaves_nothing_behind(tmp_path, told):
    to = tmp_path / "out.mp4"
    breaks = [job(), whole(), FILM[:600], Failure("ReadError"), problem(404, "not_found")]
    with pytest.raises(NotFound):
        play(download(circumstances(), "job_1", to), breaks)
    assert list(tmp_path.iterdir()) == []
    part_of(to, "job_1").write_bytes(FILM[:600])  # an earlier attempt's
    with pytest.raises((NotFound, NoFilm)):
        play(download(circumstances(), "job_1", to), told)
    assert list(tmp_path.iterdir()) == []


def running(to):
    here = circumstances()
    return verbs.run(here, JobAsk("trim it"), to=to, key=None, within_s=None, progress=None)


def test_nothing_is_paid_for_a_film_that_has_no_place_to_go(tmp_path):
    for place in (tmp_path, tmp_path / "no-such-folder" / "out.mp4"):
        played = Played()
        with pytest.raises(OSError, match=r"no file|no such folder"):
            play(running(place), [], played=played)
        assert played.requests == []


def test_nothing_is_paid_for_a_film_whose_folder_cannot_be_written():
    played = Played()
    with TemporaryDirectory() as closed:
        Path(closed).chmod(0o555)
        with as_nobody(), pytest.raises(PermissionError):
            play(running(Path(closed, "out.mp4")), [], played=played)
    assert played.requests == []


def test_a_disk_that_is_full_loses_nobody_the_job_that_was_paid_for(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()

    def outcomes():
        yield answer(202, {"id": "job_1", "status": "queued"})
        folder.rmdir()  # as good as full
        yield from (job(), job())

    with pytest.raises(DownloadFailed) as told:
        play(running(folder / "out.mp4"), outcomes())
    assert (told.value.job_id, told.value.path) == ("job_1", folder / "out.mp4")
