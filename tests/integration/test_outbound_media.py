"""Media fetched by ourselves from a real server: redirects judged hop by hop, sizes held, names made safe."""

import asyncio
from contextlib import asynccontextmanager
from importlib.metadata import version
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import Clock
from core.errors import Code, Permanent
from tests.peer_fixture import answered, peer
from tests.until import PATIENCE_S
from worker.callbacks.send import send
from worker.outbound.client import MEDIA_PER_TENANT, guarded_client
from worker.outbound.download import FILM_LIMITS, FetchLimits, fetch_media, filename_of

LOCAL = (ip_network("127.0.0.1/32"),)
CLIP = bytes(range(256)) * 1024


def answer(status=200, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} Said", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join([*lines, "connection: close"]) + "\r\n\r\n").encode("latin-1") + body


PAGES = {
    "/clip.mp4": answer(body=CLIP, content_length=len(CLIP), content_type="video/mp4"),
    "/unannounced.mp4": answer(body=CLIP),
    "/short.mp4": answer(body=CLIP[:100], content_length=len(CLIP)),
    "/packed.mp4": answer(body=CLIP, content_encoding="gzip"),
    **{
        f"/said{number}.mp4": answer(body=CLIP, content_length=len(CLIP), content_encoding=coding)
        for number, coding in enumerate(("aws-chunked", "utf-8", "none", ""))
    },
    "/said-other.mp4": answer(203, body=CLIP, content_length=len(CLIP)),
    "/said-part.mp4": answer(206, body=CLIP, content_range=f"bytes 0-{len(CLIP) - 1}/{len(CLIP)}"),
    "/odd-coding": answer(body=CLIP, content_encoding="aws-chunked, GZIP"),
    "/odd-part": answer(206, body=CLIP, content_range=f"bytes 0-{len(CLIP) - 1}/{len(CLIP) + 1}"),
    "/missing.mp4": answer(404, content_length=0),
    "/named": answer(
        body=b"x", content_length=1, content_disposition="attachment; filename*=UTF-8''..%2F%E5%89%AA.mp4"
    ),
    "/hop": answer(302, location="/clip.mp4", content_length=0),
    "/loop": answer(302, location="/loop", content_length=0),
    "/inside": answer(307, location="http://127.0.0.2/clip.mp4", content_length=0),
    "/metadata": answer(301, location="http://169.254.169.254/latest", content_length=0),
    "/file": answer(301, location="file:///etc/passwd", content_length=0),
    "/nonsense": answer(301, location="https://[::1", content_length=0),
    "/garbage": b"what?\r\n\r\n",
    **{
        f"/odd{number}": answer(302, location=location, content_length=0)
        for number, location in enumerate(
            (
                *("http://xn--a.example/", "http://xn--n3h.example/", "http://[fe80::1%25eth0]/", "http://[::1%eth0]/"),
                *("//[", "http://a.example:99999999/", "http://a.example:" + "9" * 5000 + "/", "http://u:p@127.0.0.1/"),
                *(
                    "http://127.0.0.1:0/",
                    "http://-.example/",
                    "http://" + "a" * 300 + "/",
                    "javascript:alert(1)",
                    "http:///",
                ),
            )
        )
    },
    "/latin1-location": answer(302, location="/%FC.mp4?\xfc", content_length=0),
    "/%FC.mp4?%C3%BC": answer(body=b"x", content_length=1),
    "/odd-length": answer(body=b"x", content_length="9" * 5000),
    "/odd-lengths": answer(body=b"x", content_length="1, 2"),
}


@asynccontextmanager
async def media_server():
    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(PAGES[head.split(b" ")[1].decode()])
        try:
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def fetch(path, *, max_bytes=1_000_000):
    async with (
        media_server() as server,
        guarded_client(allow=LOCAL, http_allowed=False) as client,
        fetch_media(client, server + path, max_bytes=max_bytes) as media,
    ):
        return media, b"".join([chunk async for chunk in media.chunks])


async def test_a_file_comes_with_its_name_type_and_size():
    media, content = await fetch("/clip.mp4")
    assert (media.filename, media.content_type, media.size_bytes) == ("clip.mp4", "video/mp4", len(CLIP))
    assert content == CLIP


async def test_a_file_of_unannounced_size_comes_whole():
    media, content = await fetch("/unannounced.mp4")
    assert media.size_bytes is None
    assert content == CLIP


@pytest.mark.parametrize("path", [page for page in PAGES if page.startswith("/said")])
async def test_a_file_comes_whatever_its_storage_says_beside_it(path):
    """A browser shows it, too: what is called ``aws-chunked`` was so when it was brought there."""
    assert (await fetch(path))[1] == CLIP


async def test_a_redirect_is_followed_and_the_name_found_behind_it():
    media, content = await fetch("/hop")
    assert media.filename == "clip.mp4"
    assert content == CLIP


async def test_a_size_at_the_limit_passes_and_one_byte_more_does_not():
    assert (await fetch("/unannounced.mp4", max_bytes=len(CLIP)))[1] == CLIP
    for path in ("/clip.mp4", "/unannounced.mp4"):
        with pytest.raises(Permanent) as refusal:
            await fetch(path, max_bytes=len(CLIP) - 1)
        assert refusal.value.code is Code.MEDIA_TOO_LARGE


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/missing.mp4",
            "/short.mp4",
            "/packed.mp4",
            "/loop",
            "/inside",
            "/metadata",
            "/file",
            "/nonsense",
            "/garbage",
        ),
        *(page for page in PAGES if page.startswith("/odd")),
    ],
)
async def test_what_cannot_or_may_not_be_fetched_is_unreachable_and_no_url_is_told(path):
    with pytest.raises(Permanent) as refusal:
        await fetch(path)
    assert refusal.value.code is Code.MEDIA_UNREACHABLE
    assert "127.0.0" not in str(refusal.value)
    assert path not in str(refusal.value)


async def test_nobody_at_the_address_is_unreachable():
    async with media_server() as server:
        pass
    async with guarded_client(allow=LOCAL, http_allowed=False) as client:
        with pytest.raises(Permanent) as refusal:
            async with fetch_media(client, f"{server}/clip.mp4", max_bytes=1):
                pass
    assert refusal.value.code is Code.MEDIA_UNREACHABLE


async def test_a_fault_of_whoever_uses_the_bytes_is_passed_on_as_it_is():
    async with media_server() as server, guarded_client(allow=LOCAL, http_allowed=False) as client:
        with pytest.raises(ConnectionResetError):
            async with fetch_media(client, f"{server}/clip.mp4", max_bytes=1_000_000):
                raise ConnectionResetError("the upload broke")


async def test_a_name_given_by_the_server_loses_its_folders():
    media, _ = await fetch("/named")
    assert media.filename == "\u526a.mp4"


@pytest.mark.parametrize(
    ("disposition", "urls", "name"),
    [
        ("", ["https://a.example/x/clip.mp4?sig=1"], "clip.mp4"),
        ("", ["https://a.example/"], "media"),
        ("", ["https://a.example/get?id=3", "https://cdn.example/real.mov"], "real.mov"),
        ("", ["https://a.example/watch", "https://cdn.example/x"], "watch"),
        ('attachment; filename="../../etc/passwd"', [], "passwd"),
        ('attachment; filename="C:\\\\clips\\\\a.mp4"', [], "a.mp4"),
        ("attachment; filename=..", ["https://a.example/b.mp4"], "b.mp4"),
        ("attachment", ["https://a.example/%2e%2e%2fb%0a.mp4"], "b.mp4"),
        ("\u0000;;;=", ["https://a.example/b.mp4"], "b.mp4"),
        ("attachment; filename=x; filename*=UTF-8''clip.mp4", ["https://a.example/get"], "clip.mp4"),
        ("attachment; filename=x.mov; filename*=nonsense''%FF", [], "x.mov"),
        ("attachment; filename*=utf-8''%C3%BCber.mp4", [], "\u00fcber.mp4"),
        ("attachment; filename=\u00fcber.mp4", [], "\u00fcber.mp4"),
        ("attachment; filename*=a'b", ["https://[::1/\ud800.mp4"], "a'b"),
    ],
)
def test_a_file_is_named_safely(disposition, urls, name):
    assert filename_of(disposition, *urls) == name


def test_a_long_name_is_cut_and_keeps_its_extension():
    name = filename_of("", f"https://a.example/{'a' * 500}.mp4")
    assert len(name) == 200
    assert name.endswith("a.mp4")


async def test_a_redirect_in_latin_1_is_followed():
    media, content = await fetch("/latin1-location")
    assert (media.filename, content) == ("\u00fc.mp4", b"x")


LINES = st.binary(max_size=60).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b""))
VALUES = st.one_of(
    LINES,
    LINES.map(lambda line: b"http://" + line),
    LINES.map(lambda line: b"attachment; filename*=" + line),
    st.sampled_from(["http://xn--a/", "http://\u2603/", "//[", "attachment; filename*=''%", "gzip", "-1"]).map(
        str.encode
    ),
)


@given(
    st.sampled_from([200, 302, 206, 100, 999]),
    st.sampled_from([b"Location", b"Content-Disposition", b"Content-Length", b"Content-Type", b"X"]),
    VALUES,
)
async def test_whatever_a_header_holds_the_file_comes_or_is_unreachable(status, header, value):
    PAGES["/any"] = b"HTTP/1.1 %d Said\r\n%s: %s\r\nconnection: close\r\n\r\nx" % (status, header, value)
    ends = []
    try:
        media, _ = await fetch("/any")
        ends.append(media.filename.isprintable() or media.filename.encode())
    except Permanent as refusal:
        ends.append(refusal.code in {Code.MEDIA_UNREACHABLE, Code.MEDIA_TOO_LARGE})
    assert all(ends)


@given(st.text(st.characters()))
async def test_whatever_a_url_holds_it_is_fetched_or_unreachable(text):
    async with guarded_client(allow=LOCAL, http_allowed=False, resolver=nobody) as client:
        for url in (text, f"http://{text}", f"https://a.example/{text}", f"https://xn--{text}"):
            with pytest.raises(Permanent) as refusal:
                async with fetch_media(client, url, max_bytes=1):
                    pass
            assert refusal.value.code is Code.MEDIA_UNREACHABLE


async def nobody(_host, _port):
    return []


async def test_whoever_is_called_hears_who_calls():
    async with peer(answered({}, "200 OK")) as remote, guarded_client(allow=LOCAL, http_allowed=True) as client:
        async with fetch_media(client, f"{remote.url}/clip.mp4", max_bytes=100):
            pass
        await send(client, url=f"{remote.url}/hook", body=b"{}", headers={}, clock=Clock(), timeout_s=5)
    agents = [headers["user-agent"] for _, headers, _ in remote.requests]
    assert agents == [f"Reelgate/{version('reelgate')}"] * 2


@asynccontextmanager
async def dripping(first, again, pause_s):
    """A server that never ends: ``b"1\\r\\nx\\r\\n"`` every `pause_s` after its first words."""
    hung_up = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        try:
            while True:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except ConnectionError:
            hung_up.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/clip.mp4", hung_up


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "again", "pause_s"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.01),
        (CHUNKED, b"1\r\nx\r\n", 0.01),
        (CHUNKED, b"1\r\nx\r\n" * 1000, 0),
        (CHUNKED + b"1;", b"e", 0.01),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y", 0.01),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.3),
    ],
)
async def test_a_server_that_drips_is_left_at_its_limit_and_not_waited_for(first, again, pause_s):
    limits = FetchLimits(open_s=1.0, first_s=1.0)
    async with (
        dripping(first, again, pause_s) as (url, hung_up),
        guarded_client(allow=LOCAL, http_allowed=True) as client,
    ):

        async def whole():
            async with fetch_media(client, url, max_bytes=1_000_000, limits=limits) as media:
                return [chunk async for chunk in media.chunks]

        with pytest.raises(Permanent) as refusal:
            await whole()
        assert refusal.value.code is Code.MEDIA_UNREACHABLE
        await asyncio.wait_for(hung_up.wait(), PATIENCE_S)


def test_a_fetch_may_last_as_long_as_its_bytes_are_worth_and_no_longer_than_a_quarter_of_an_hour():
    limits = FetchLimits()
    assert limits.allowed_s(0) == 20
    assert limits.allowed_s(1_600_000) == 120
    assert limits.allowed_s(500_000_000) == 900


def test_a_large_film_may_take_longer_than_a_callers_file_as_long_as_its_job_has():
    assert FILM_LIMITS.allowed_s(0) == 20
    assert FILM_LIMITS.allowed_s(2_000_000_000) > 86_400


async def test_one_tenant_s_fetches_leave_places_for_another_s():
    hang, nothing = asyncio.Event(), (b"HTTP/1.1 200 OK\r\n\r\n", b"", 0.05)
    async with dripping(*nothing) as (url, _), guarded_client(allow=LOCAL, http_allowed=True) as client:
        opened, modest_is_in = [], asyncio.Event()

        async def fetch_for(tenant):
            async with fetch_media(client, url, max_bytes=1, tenant=tenant):
                opened.append(tenant)
                if tenant == "modest":
                    modest_is_in.set()
                await hang.wait()

        greedy = [asyncio.create_task(fetch_for("greedy")) for _ in range(100)]
        modest = asyncio.create_task(fetch_for("modest"))
        await asyncio.wait_for(modest_is_in.wait(), PATIENCE_S)
        assert opened.count("greedy") <= MEDIA_PER_TENANT
        hang.set()
        await asyncio.gather(*greedy, modest)
    assert len(opened) == 101
