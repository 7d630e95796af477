"""A sweep while the storage of files is away: what has a file waits for it, and stands in nobody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace as replace_context
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.clock import stopwatch_s
from core.errors import Code
from core.ids import new_id
from core.model import transitions
from core.model.job import Job, MediaRef, OutputFile
from core.model.upload import Upload
from core.storage.job_files import delete_what_was_left, new_fetched_path, new_film_path
from core.storage.storage import Storage, StoredFile
from core.storage.upload_files import remove_upload
from core.store.leases import LeaseLost
from core.store.redis.keys import key
from core.store.redis.lists import UNREADABLE_REST_MS
from tests.s3_fixture import BUCKET, Unread, access_to, s3
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S
from tests.worker_fixture import context_over
from worker.jobs.runner import run_job
from worker.maintenance.sent_files import SentFiles
from worker.maintenance.sweeper import remove_old, sweep

__all__ = ["core", "s3"]


async def with_film(core: Core) -> Job:
    claim = await core.begin(await core.submit(retention_s=60))
    now_ms = core.clock.now_ms()
    film = OutputFile(path=new_film_path(claim.job), format="mp4", size_bytes=1, expires_at_ms=now_ms + 60_000)
    return (await core.write(claim, transitions.succeeded(claim.job, now_ms=now_ms, output=film))).job


async def test_what_has_no_file_goes_and_what_has_one_goes_once_the_storage_is_back(core: Core, tmp_path: Path):
    await core.slots(9)
    films = [await with_film(core) for _ in range(2)]
    never_begun = await core.cancel(await core.submit(retention_s=60))
    uploads = [
        Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path=path, created_at_ms=1)
        for path in ("uploads/a", "elsewhere/b")
    ]
    for upload in uploads:
        await core.uploads.keep(upload)
    core.clock.turn(by_s=100_000)
    for folder in ("outputs", "uploads"):
        (tmp_path / folder).write_text("in the way of the folder")

    async def left() -> list[bool]:
        names = [key("job", job.id) for job in (*films, never_begun)] + [key("upload", upload.id) for upload in uploads]
        return [bool(await core.redis.exists(name)) for name in names]

    async with context_over(core, tmp_path) as context:
        for _ in range(3):
            await remove_old(context)
        assert await left() == [True, True, False, True, False]
        for folder in ("outputs", "uploads"):
            (tmp_path / folder).unlink()
        core.clock.turn(by_s=UNREADABLE_REST_MS / 1000 + 1)
        await remove_old(context)
        assert await left() == [False] * 5


async def test_files_that_cannot_be_deleted_keep_no_other_from_going_in_the_same_round(core: Core, tmp_path: Path):
    """As some have that were put back by hand, for another user."""
    (tmp_path / "stuck").write_text("in the way of the folder")
    uploads = [
        Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path=path, created_at_ms=1)
        for path in ("stuck/a", "stuck/b", "stuck/c", "uploads/d")
    ]
    for upload in uploads:
        await core.uploads.keep(upload)
    for path in ("stuck/e", "stuck/f", "fetched/g"):
        await core.uploads.delete_later(path)
    core.clock.turn(by_s=100_000)
    async with context_over(core, tmp_path) as context:
        await remove_old(context)
    assert not await core.redis.exists(key("upload", uploads[-1].id))
    assert await core.redis.zscore(key("upload_urls"), "- fetched/g") is None


async def test_a_lost_lease_is_repaired_and_a_late_job_ended_while_the_storage_hangs(core: Core, tmp_path: Path):
    await core.slots(9)
    films = [await with_film(core) for _ in range(3)]
    lost = await core.begin(await core.submit())
    late = await core.submit(start_timeout_s=1)
    core.clock.turn(by_s=100)
    await core.redis.delete(key("arq_queue"))
    asked = asyncio.Semaphore(0)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.release()
        with closing(writer):
            await reader.read()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server, context_over(core, tmp_path) as context:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
                patched.setenv(name, value)
            hanging = replace_context(context, storage=Storage(f"s3://{BUCKET}/x"))
        removing = asyncio.create_task(remove_old(hanging))
        for _ in films:  # it is asked for all of them at once
            await asyncio.wait_for(asked.acquire(), PATIENCE_S)
        await sweep(hanging, 0)
        assert not removing.done()
        assert await core.redis.zscore(key("arq_queue"), lost.job.id)
        assert (await core.read(late)).status == "expired"
        removing.cancel()
        await asyncio.wait([removing])


async def test_what_a_worker_left_that_died_before_it_wrote_it_down_goes_with_the_job(core: Core, tmp_path: Path):
    await core.slots(9)
    failed = await core.run(await core.submit(retention_s=60), Code.DEADLINE_EXCEEDED)
    finished, deleted = await with_film(core), await with_film(core)
    other = await core.begin(await core.submit())
    async with context_over(core, tmp_path) as context:
        await context.job_removal.remove(deleted)
        for job in (failed, finished, deleted, other.job):
            for path in files_of(job):
                await context.storage.write(path, bytes_of(b"x"))
        (tmp_path / f"outputs/{failed.id}/a.mp4#1").write_text("half of a film")
        core.clock.turn(by_s=61)
        await remove_old(context)
    assert files_in(tmp_path) == set(files_of(other.job))
    assert not (tmp_path / "fetched" / failed.id).exists()


async def test_what_a_worker_brought_that_was_lost_goes_when_another_one_takes_its_job_over(core: Core, tmp_path: Path):
    """A hundred files of half a gigabyte may be under way when it is killed, and a job is kept for a month."""
    await core.slots(9)
    lost, other = await core.begin(await core.submit()), await core.begin(await core.submit(tenant="other"))
    async with context_over(core, tmp_path) as context:
        for job in (lost.job, other.job):
            for path in (new_film_path(job), new_fetched_path(job)):
                await context.storage.write(path, bytes_of(b"x"))
        (tmp_path / f"outputs/{lost.job.id}/a.mp4#1").write_text("half of a film")
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await run_job(context, lost.job.id)
    assert {path.split("/")[1] for path in files_in(tmp_path)} == {other.job.id}
    assert len(files_in(tmp_path)) == 2


async def test_who_was_frozen_before_it_deletes_what_was_left_deletes_nothing_of_who_has_the_job_by_now(
    core: Core, tmp_path: Path
):
    """It would be the film of a job that has ended, and was paid for."""
    await core.slots(9)
    frozen, asked_s = await core.begin(await core.submit()), stopwatch_s() - core.settings.lease_s
    core.clock.turn(by_s=core.settings.lease_s + 1)
    await core.claim(frozen.job)
    async with context_over(core, tmp_path) as context:
        await context.storage.write(film := new_film_path(frozen.job), bytes_of(b"x"))
        async with context.leases.hold(frozen.job.id, frozen.owner, asked_s=asked_s) as lease:
            with pytest.raises(LeaseLost):
                await delete_what_was_left(context.storage, frozen.job, partial(context.leases.ensure_held, lease))
    assert files_in(tmp_path) == {film}


async def test_what_was_left_goes_also_where_a_job_then_waits_for_those_who_were_lost(core: Core, tmp_path: Path):
    """Whoever runs out of memory leaves most, and no later claim says of what was handed back that something was left."""
    await core.slots(9)
    job = (await core.begin(await core.submit())).job
    for _ in range(2):
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await core.claim(job)
    async with context_over(core, tmp_path) as context:
        await context.storage.write(new_film_path(job), bytes_of(b"x"))
        core.clock.turn(by_s=core.settings.lease_s + 1)
        await run_job(context, job.id)
    assert files_in(tmp_path) == set()
    assert (after := await core.jobs.load(job.id))
    assert not after.ended


def files_of(job: Job) -> list[str]:
    """Name what two workers may have left, one of them of an older release."""
    films, fetched = (path.rpartition("/")[0] for path in (new_film_path(job), new_fetched_path(job)))
    return [f"{films}/a.mp4", f"outputs/{job.id}.mp4", f"{fetched}/0", f"{fetched}/1"]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def bytes_of(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_an_upload_that_is_used_or_completed_while_a_sweep_is_about_to_remove_it_stays(
    core: Core, tmp_path: Path
):
    used, completed = [
        Upload(id=i, tenant="acme", filename="f", format="", size_bytes=1, path=f"uploads/{i}", created_at_ms=0)
        for i in (new_id("upl"), new_id("upl"))
    ]
    await core.uploads.keep(used)
    await core.uploads.expect(completed)
    async with context_over(core, tmp_path) as context:
        for upload in (used, completed):
            await context.storage.write(upload.path, bytes_of(b"x"))
        core.clock.turn(by_s=86_401)
        due = await core.uploads.due()
        assert {each.id for each in due} == {used.id, completed.id}
        await core.submit(media=(MediaRef(upload_id=used.id, name="f"),))
        copy = replace(completed, path="uploads/copy", created_at_ms=core.clock.now_ms())
        assert await core.uploads.keep_copy(copy) is not None
        for upload in due:
            assert not await remove_upload(context.storage, core.uploads, upload, only="due")
        assert files_in(tmp_path) == {used.path, completed.path}
    assert [each and each[0].path for each in [await core.uploads.load(i.id) for i in due]]


async def test_a_sweep_that_died_while_it_removed_an_upload_is_gone_on_with(core: Core, tmp_path: Path):
    upload = Upload(id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path="a", created_at_ms=0)
    await core.uploads.keep(upload)
    async with context_over(core, tmp_path) as context:
        await context.storage.write("a", bytes_of(b"x"))
        core.clock.turn(by_s=86_401)
        assert await core.uploads.withdraw(upload, "due")
        await remove_old(context)
    assert (files_in(tmp_path), await core.uploads.load(upload.id)) == (set(), None)
    assert await core.uploads.stored_bytes("acme") == 0


async def test_a_copy_that_nobody_kept_and_what_was_sent_anew_go_although_their_upload_is_there(
    core: Core, tmp_path: Path
):
    now_ms = core.clock.now_ms()
    sent = Upload(
        id=new_id("upl"), tenant="acme", filename="f", format="", size_bytes=1, path="sent/a", created_at_ms=now_ms
    )
    copies = [replace(sent, path=f"uploads/{name}") for name in ("lost", "kept")]
    async with context_over(core, tmp_path) as context:
        await core.uploads.expect(sent, url_until_ms=now_ms + 3_600_000)
        for each in (sent, *copies):
            await context.storage.write(each.path, bytes_of(b"x"))
        for each in copies:
            await core.uploads.announce_copy(each)
        assert await core.uploads.keep_copy(copies[1]) == 1
        assert await core.uploads.keep_copy(copies[0]) is None
        await core.submit(start_timeout_s=3 * 86_400, media=(MediaRef(upload_id=sent.id, name="f"),))
        core.clock.turn(by_s=86_400 + 3601)
        await remove_old(context)
    assert files_in(tmp_path) == {"uploads/kept"}
    assert not await core.redis.exists(key("upload_urls"))


async def test_what_is_sent_by_a_url_after_its_upload_was_removed_goes_once_nothing_can_come(
    core: Core, tmp_path: Path
):
    now_ms = core.clock.now_ms()
    refused, kept = [
        Upload(id=i, tenant="acme", filename="f", format="", size_bytes=1, path=f"uploads/{i}", created_at_ms=now_ms)
        for i in (new_id("upl"), new_id("upl"))
    ]
    async with context_over(core, tmp_path) as context:
        for upload in (refused, kept):
            await core.uploads.expect(upload, url_until_ms=now_ms + 3_600_000)
            await context.storage.write(upload.path, bytes_of(b"x"))
        await core.uploads.drop(refused)
        await core.uploads.keep(kept)
        await core.submit(start_timeout_s=3 * 86_400, media=(MediaRef(upload_id=kept.id, name="f"),))
        core.clock.turn(by_s=86_400)
        await remove_old(context)
        assert files_in(tmp_path) == {refused.path, kept.path}
        core.clock.turn(by_s=7200)
        await remove_old(context)
        assert files_in(tmp_path) == {kept.path}
        assert not await core.redis.exists(key("upload_urls"))
        core.clock.turn(by_s=3 * 86_400)
        await remove_old(context)
        assert files_in(tmp_path) == set()


async def test_what_is_sent_by_urls_and_could_not_be_kept_goes_before_anybody_completes_it(
    core: Core, s3: str, monkeypatch: pytest.MonkeyPatch
):
    """Five gigabytes to each of a hundred thousand URLs, and again when they are gone, were the operator's to pay for a day."""
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    core.with_settings(tenant_stored_bytes=10)
    usual, much, others, completed, removed, foreign = sent = [
        sent_by_url(core, tenant) for tenant in ("acme", "acme", "other", "third", "third", "elsewhere")
    ]
    async with context_over(core, f"s3://{BUCKET}/sent") as context:
        for each in sent:
            await core.uploads.expect(each, url_until_ms=each.created_at_ms + 3_600_000)
        assert await core.uploads.keep_copy(replace(completed, path="uploads/copy", size_bytes=1)) == 1
        assert await remove_upload(context.storage, core.uploads, removed)
        for each in sent:
            await context.storage.write(each.path, bytes_of(b"six..."))
        await core.redis.zrem(key("upload_urls"), f"{foreign.id} {foreign.path}")
        await core.gauges("another worker")
        await remove_old(context)
        assert len([file async for file in context.storage.files_sent_to("sent")]) == len(sent), (
            "one worker looks for all"
        )
        await core.redis.delete(key("gauges_holder"))
        await remove_old(context)
        left = {file.path async for file in context.storage.files_sent_to("sent")}
    assert left == {usual.path, others.path, foreign.path}, "what another installation keeps here is its own"
    assert [await core.uploads.expected(each.id) is None for each in (usual, much, others)] == [False, True, False]


async def test_a_file_sent_by_a_url_that_is_larger_than_any_may_be_goes(core: Core, tmp_path: Path):
    largest, larger = [sent_by_url(core, "acme") for _ in range(2)]
    async with context_over(core, tmp_path) as context:
        sent = SentFiles(context)
        for each, size_bytes in ((largest, 500_000_000), (larger, 500_000_001)):
            await core.uploads.expect(each, url_until_ms=each.created_at_ms + 3_600_000)
            await sent.look_at(StoredFile(each.path, size_bytes))
    assert [await core.uploads.expected(each.id) is None for each in (largest, larger)] == [False, True]


async def test_a_file_that_is_completed_while_others_are_looked_at_takes_no_room_twice(core: Core, tmp_path: Path):
    core.with_settings(tenant_stored_bytes=10)
    first, second = [sent_by_url(core, "acme") for _ in range(2)]
    async with context_over(core, tmp_path) as context:
        sent = SentFiles(context)
        for each in (first, second):
            await core.uploads.expect(each, url_until_ms=each.created_at_ms + 3_600_000)
        await sent.look_at(StoredFile(first.path, 4))
        await core.uploads.keep_copy(replace(first, path="uploads/copy", size_bytes=4))
        await sent.look_at(StoredFile(second.path, 6))
    assert await core.uploads.expected(second.id) is not None


async def test_where_a_bucket_may_not_be_listed_what_was_sent_stays_until_nothing_can_come(
    monkeypatch: pytest.MonkeyPatch,
):
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    async def deny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(denied) + denied)

    async with await asyncio.start_server(deny, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        assert [file async for file in Storage(f"s3://{BUCKET}/unlisted").files_sent_to("sent")] == []


def sent_by_url(core: Core, tenant: str) -> Upload:
    upload_id = new_id("upl")
    return Upload(
        id=upload_id,
        tenant=tenant,
        filename="f",
        format="",
        size_bytes=0,
        path=f"sent/{upload_id}",
        created_at_ms=core.clock.now_ms(),
    )


@pytest.mark.parametrize("key_of_refusal", ["", "AccessDenied"])
async def test_a_storage_that_never_deletes_keeps_no_record_past_its_time(
    core: Core, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_of_refusal: str
) -> None:
    """As S3's under a policy without s3:DeleteObject: callers were told for how long their prompts are kept."""
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    place = f"s3://{BUCKET}/{tmp_path.name}"
    await core.slots(9)
    job = await with_film(core)
    assert job.output
    film = job.output.path or ""
    await Storage(place).write(film, one_piece())
    core.clock.turn(by_s=100_000)
    refusing = Unread(s3, refusal_of(f"{tmp_path.name}/{film}", key_of_refusal), at=b"POST ")
    async with await asyncio.start_server(refusing.serve, "127.0.0.1", 0) as server:
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with context_over(core, place) as context:
            await remove_old(context)
    assert not await core.redis.exists(key("job", job.id))
    assert await core.redis.zscore(key("upload_urls"), f"- {film}"), "its file is deleted when the storage allows it"
    core.clock.turn(by_s=1000)
    monkeypatch.setenv("AWS_ENDPOINT", s3)
    async with context_over(core, place) as context:
        await remove_old(context)
        assert await context.storage.names_in(f"outputs/{job.id}") == []
    assert not await core.redis.exists(key("upload_urls"))


async def one_piece() -> AsyncIterator[bytes]:
    yield b"film"


def refusal_of(name: str, code: str) -> bytes:
    """Refuse the call as a whole, or one file in the answer to it, as S3 does."""
    if not code:
        return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    told = f"<DeleteResult><Error><Key>{name}</Key><Code>{code}</Code><Message>no</Message></Error></DeleteResult>".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(told) + told
