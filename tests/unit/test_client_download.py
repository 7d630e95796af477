"""The client's download: whole or not there, gone on from where it broke, and never under its name before."""

import pytest

from reelgate.client import DownloadFailed, NoFilm, NotFound
from reelgate.client.effects import Failure
from reelgate.client.film_download import download, part_of
from tests.client_script import Played, Time, answer, circumstances, play, problem

FILM = bytes(range(256)) * 4


def job(*, size_bytes: int | None = len(FILM), link: str = "https://api.example/film?signature=s", **fields):
    output = {"url": link, "format": "mp4", "size_bytes": size_bytes}
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
    assert played.requests[1].url == "https://api.example/film?signature=s"
    assert "range" not in played.requests[1].headers


def test_a_break_is_gone_on_from_with_a_fresh_link(tmp_path):
    to = tmp_path / "out.mp4"
    fresh = job(link="https://api.example/film?signature=t")
    outcomes = [job(), whole(), FILM[:600], Failure("ReadError"), fresh, part(600), FILM[600:], b""]
    played = play(download(circumstances(), "job_1", to), outcomes)
    assert to.read_bytes() == FILM
    again = played.requests[-1]
    assert again.url.endswith("signature=t")
    assert (again.headers["range"], again.headers["if-range"]) == ("bytes=600-", '"job_1"')


@pytest.mark.parametrize("ends", [[b""], [Failure("RemoteProtocolError")]])
def test_a_cut_answer_is_no_film(tmp_path, ends):
    to = tmp_path / "out.mp4"
    outcomes = [job(), whole(), FILM[:600], *ends, job(), part(600), FILM[600:], b""]
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
    outcomes = [job(size_bytes=None), answer(416), job(size_bytes=None), whole(content_length="1024"), FILM, b""]
    play(download(circumstances(), "job_1", to), outcomes)
    assert to.read_bytes() == FILM


def test_a_link_that_has_expired_meanwhile_is_fetched_anew(tmp_path):
    to = tmp_path / "out.mp4"
    play(download(circumstances(), "job_1", to), [job(), problem(403, "link_expired"), job(), whole(), FILM, b""])
    assert to.read_bytes() == FILM


def test_a_film_that_does_not_come_says_whose_it_is_and_keeps_what_came(tmp_path):
    clock, to = Time(), tmp_path / "out.mp4"

    def outcomes():
        yield from (job(), whole(), FILM[:600], Failure("ReadError"))
        while True:
            yield job()
            yield Failure("ConnectError", sent=False)

    with pytest.raises(DownloadFailed) as told:
        play(download(circumstances(within_s=20, clock=clock), "job_1", to), outcomes(), clock=clock)
    assert (told.value.job_id, told.value.path) == ("job_1", to)
    assert not to.exists()
    assert part_of(to, "job_1").read_bytes() == FILM[:600]


def test_bytes_that_come_restore_the_patience(tmp_path):
    clock, to = Time(), tmp_path / "out.mp4"

    def outcomes():
        for at in range(0, len(FILM), 64):
            yield job()
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


def test_a_full_disk_is_told_as_it_is(tmp_path):
    played = Played()
    with pytest.raises(FileNotFoundError):
        play(download(circumstances(), "job_1", tmp_path / "no" / "x"), [job(), whole(), FILM, b""], played=played)
