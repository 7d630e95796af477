"""The guarded client on real sockets: what is dialled is what was judged, whatever DNS says in between."""

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.security.url_policy import check_url
from worker.outbound.client import ForbiddenTarget, guarded_client
from worker.outbound.dialler import GuardedDialler

ONE = (ip_network("127.0.0.1/32"),)
PUBLIC = "93.184.215.14"


class Names:
    """A name server of our own: answers in turn, the last answer for ever, and counts the questions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, host, port):
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def listening(host="127.0.0.1", port=0):
    """Answer every request with the address that it reached."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        reached = writer.get_extra_info("sockname")[0].encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(reached), reached))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_a_name_is_resolved_once_and_that_address_is_dialled():
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with (
        listening() as port,
        listening("127.0.0.2", port),
        guarded_client(allow=ONE, http_allowed=True, resolver=names) as client,
    ):
        answer = await client.get(f"http://rebound.example.com:{port}/")
    assert answer.text == "127.0.0.1"
    assert names.asked == ["rebound.example.com"]


async def test_a_name_that_turns_bad_between_two_requests_is_refused_at_the_second():
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with (
        listening() as port,
        listening("127.0.0.2", port),
        guarded_client(allow=ONE, http_allowed=True, resolver=names) as client,
    ):
        await client.get(f"http://rebound.example.com:{port}/")
        with pytest.raises(ForbiddenTarget):
            await client.get(f"http://rebound.example.com:{port}/")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.2"],
        [PUBLIC, "10.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC, "::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:7f00:1::"],
        ["fe80::1%1"],
        ["169.254.169.254"],
        ["0.0.0.0"],
    ],
)
async def test_one_bad_address_among_the_answers_refuses_the_name(answers):
    async with guarded_client(allow=ONE, http_allowed=True, resolver=Names(answers)) as client:
        with pytest.raises(ForbiddenTarget, match="not a public one"):
            await client.get("https://mixed.example.com/")


@pytest.mark.parametrize(
    "host", ["2130706434", "0x7f.2", "0177.0.0.2", "127.2", "127.0.0.2", "::ffff:127.0.0.2", "::1"]
)
async def test_a_strange_spelling_is_refused_by_the_dialler_itself_too(host):
    dialler = GuardedDialler(allow=ONE)
    with pytest.raises((ForbiddenTarget, httpx.ConnectError)):
        await dialler.dial(host, 1, timeout_s=5)
    await dialler.aclose()


@pytest.mark.parametrize("host", ["a\u00adb.example", "example\uff0ecom", "\u2603.example", "xn--n3h.example"])
async def test_a_name_that_submit_refuses_is_refused_at_the_call_too(host):
    url = f"http://{host}/"
    assert check_url(url, http_allowed=True, allow=ONE)
    async with guarded_client(allow=ONE, http_allowed=True, resolver=Names(["127.0.0.1"])) as client:
        with pytest.raises(ForbiddenTarget):
            await client.get(url)


async def test_a_name_without_answers_cannot_be_connected_to():
    async with guarded_client(allow=ONE, http_allowed=True, resolver=Names([])) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://empty.example.com/")


async def test_a_slow_name_server_is_waited_for_no_longer_than_for_a_connection():
    async def never(_host, _port):
        await asyncio.Event().wait()

    timeout = httpx.Timeout(5, connect=0.05)
    async with guarded_client(allow=ONE, http_allowed=True, resolver=never, timeout=timeout) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("https://slow.example.com/")


async def test_a_dead_first_address_leaves_time_for_the_second():
    both = (ip_network("127.0.0.1"), ip_network("127.0.0.2"))
    async with (
        listening() as port,
        guarded_client(allow=both, http_allowed=True, resolver=Names(["127.0.0.2", "127.0.0.1"])) as client,
    ):
        answer = await client.get(f"http://two.example.com:{port}/")
    assert answer.text == "127.0.0.1"


async def test_localhost_is_dialled_only_where_loopback_is_allow_listed():
    async with listening() as port:
        async with guarded_client(
            allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")), http_allowed=False
        ) as client:
            assert (await client.get(f"http://localhost:{port}/")).status_code == 200
        async with guarded_client(allow=(), http_allowed=True) as client:
            with pytest.raises(ForbiddenTarget):
                await client.get(f"http://localhost:{port}/")


async def test_the_environment_s_proxies_are_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.9:9")
    async with listening() as port, guarded_client(allow=ONE, http_allowed=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200


async def test_a_long_url_that_was_accepted_is_also_sent():
    path = "\u526a" * 4000
    async with listening() as port, guarded_client(allow=ONE, http_allowed=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/{path}")).status_code == 200


async def test_an_international_name_is_asked_for_as_it_was_judged_and_by_one_spelling():
    names = Names(["127.0.0.1"])
    async with listening() as port, guarded_client(allow=ONE, http_allowed=True, resolver=names) as client:
        for host in ("stra\u00dfe.example", "STRA\u1e9eE.example", "xn--strae-oqa.example", "mu\u0308nchen.example"):
            assert (await client.get(f"http://{host}:{port}/\u00fc")).status_code == 200
    assert names.asked == ["xn--strae-oqa.example"] * 3 + ["xn--mnchen-3ya.example"]


@pytest.mark.parametrize(
    "url",
    [
        *("http://xn--n3h.example/", "http://xn--a.example/", "http://\u2603.example/", "http://\ud800.example/"),
        *("http://a.example/\ud800", "http://[fe80::1%25eth0]/", "http://[::1", "http://a\0b.example/", "http://a.example/\0"),
        *("http://a.example:99999999/", "http://a.example:" + "9" * 5000, "http://" + "a" * 70_000, "//a.example/", "", "http://"),
        *("http://a:b@a.example/", "http://-\u00fc.example/"),
    ],
)  # fmt: skip
async def test_what_is_no_url_to_call_is_refused_and_nothing_else_gets_out(url):
    async with guarded_client(allow=ONE, http_allowed=True, resolver=Names(["127.0.0.1"])) as client:
        with pytest.raises(ForbiddenTarget):
            await client.get(url)


HOSTS = st.one_of(
    st.text(st.characters(), max_size=20),
    st.lists(
        st.sampled_from(["xn--", "a", "-", ".", "\u00fc", "\u00df", "_", "n3h", "3ya", "\u200d", "\u05d0", "\u0660", "1", "\u3002"])
    ).map("".join),
    st.builds("xn--{}.example".format, st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=12)),
    st.builds("{}.example".format, st.text(st.characters(categories=["Ll", "Lo", "Mn", "Nd"]), max_size=8)),
)  # fmt: skip


@given(HOSTS)
async def test_whatever_name_is_accepted_can_be_dialled_and_any_other_is_refused(host):
    url = f"http://{host}/clip.mp4"
    async with guarded_client(allow=ONE, http_allowed=True, resolver=Names([])) as client:
        accepted = check_url(url, http_allowed=True, allow=ONE) is None
        with pytest.raises(httpx.ConnectError if accepted else (ForbiddenTarget, httpx.ConnectError)):
            await client.get(url)
