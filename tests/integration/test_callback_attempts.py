"""Attempts against a real receiver that behaves in every bad way: each ends in an answer, in time and in bounds."""

import asyncio
import os
import resource
import socket
import ssl
import struct
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from ipaddress import ip_address, ip_network

import httpx
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.clock import Clock, stopwatch_s
from core.security.signing import headers, new_secret
from tests.lateness import timed
from tests.receiver_fixture import running_receiver
from tests.until import PATIENCE_S
from worker.callbacks.retry_policy import AttemptFault, DisableUrl, decide, is_failure, is_silence, says_nothing
from worker.callbacks.send import MAX_ANSWER_BYTES, MAX_EXCERPT_BYTES, safe_text
from worker.callbacks.send import send as send_callback
from worker.outbound.client import guarded_client

SECRET, OLD_SECRET = new_secret(), new_secret()
LOCAL = (ip_network("127.0.0.0/8"),)
BODY = b'{"type":"job.succeeded","timestamp":"2026-11-20T22:59:44.120Z","data":{"job":{"id":"job_1"}}}'


@pytest.fixture
async def receiver():
    async with running_receiver(SECRET) as running:
        yield running


@pytest.fixture
async def client():
    async with guarded_client(allow=LOCAL, http_allowed=False) as guarded:
        yield guarded


async def send(client, url, *, secrets=(SECRET,), message_id="evt_1", timeout_s=15.0):
    signed = headers(secrets, message_id=message_id, timestamp_s=int(time.time()), body=BODY)
    return await send_callback(client, url=url, body=BODY, headers=signed, timeout_s=timeout_s, clock=Clock())


async def test_a_good_receiver_takes_the_callback_and_its_signature_holds(client, receiver):
    answer = await send(client, receiver.hook)
    assert (answer.status, answer.error) == (200, None)
    assert answer.excerpt == '{"received":true}'
    [received] = await receiver.received(at_least=1)
    assert received["verified"]
    assert (received["id"], received["type"], received["job_id"]) == ("evt_1", "job.succeeded", "job_1")
    assert received["text"].encode() == BODY


async def test_a_receiver_that_knows_one_of_two_secrets_is_content(client, receiver):
    await send(client, receiver.hook, secrets=(OLD_SECRET, SECRET), message_id="evt_both")
    await send(client, receiver.hook, secrets=(OLD_SECRET,), message_id="evt_old")
    [both] = await receiver.received(at_least=1, id="evt_both")
    [old] = await receiver.received(at_least=1, id="evt_old")
    assert both["verified"]
    assert not old["verified"]


@pytest.mark.parametrize("status", [204, 301, 308, 410, 429, 500])
async def test_a_status_is_the_answer_and_a_redirect_is_not_followed(client, receiver, status):
    answer = await send(client, f"{receiver.hook}/status/{status}")
    assert (answer.status, answer.error) == (status, None)
    assert len(await receiver.received()) == 1


@pytest.mark.parametrize("location", [b"myapp:done", b"https://h:port/", b"https://\xc3\xbc..\xff/", b"/a\x01b"])
async def test_a_redirect_is_an_answer_wherever_it_leads(client, location):
    async def redirect(reader, writer):
        await reader.readuntil(BODY)
        head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nRetry-After: 9\r\n" % location
        writer.write(head + b"webhook-delivery: abort-message\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with served(redirect) as port:
        answer = await send(client, f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.error, answer.retry_after_s, answer.abort) == (307, None, 9.0, True)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_both_forms_of_retry_after_are_understood(client, receiver, form):
    began_s = stopwatch_s()
    answer = await send(client, f"{receiver.hook}/retry-after/{form}/90")
    assert answer.status == 429
    assert 89 - (stopwatch_s() - began_s) < answer.retry_after_s <= 90, "a date has no parts of a second"


@pytest.mark.parametrize("off_s", [-7200, 7200])
async def test_a_receiver_whose_clock_is_wrong_is_waited_for_as_long_as_it_says_all_the_same(client, off_s):
    async def put_off(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        its_time_s = time.time() + off_s
        until = (
            f"Date: {formatdate(its_time_s, usegmt=True)}\r\nRetry-After: {formatdate(its_time_s + 90, usegmt=True)}"
        )
        writer.write(f"HTTP/1.1 429 Later\r\n{until}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async with served(put_off) as port:
        assert (await send(client, f"http://127.0.0.1:{port}/")).retry_after_s == 90


async def test_the_two_answer_headers_are_understood(client, receiver):
    disable = await send(client, f"{receiver.hook}/disable")
    abort = await send(client, f"{receiver.hook}/abort")
    assert (disable.disable, disable.abort) == (True, False)
    assert (abort.disable, abort.abort) == (False, True)
    taken = await send(client, f"{receiver.hook}/disable-taken")
    assert decide(attempt=1, result=taken, retried=True, jitter=0.5, step_scale=1) == DisableUrl(
        "The receiver answered webhook-delivery: disable.", delivered=True
    )


async def test_a_receiver_that_fails_twice_takes_the_third_attempt(client, receiver):
    statuses = [(await send(client, f"{receiver.hook}/fail/2")).status for _ in range(3)]
    assert statuses == [500, 500, 200]


@pytest.mark.parametrize(
    ("mood", "fault"),
    [
        ("hang", AttemptFault.TIMEOUT),
        ("drip", AttemptFault.TIMEOUT),
        ("reset", AttemptFault.BROKEN),
        ("close", AttemptFault.BROKEN),
        ("not-http", AttemptFault.NOT_HTTP),
    ],
)
async def test_a_receiver_without_an_answer_is_a_fault_of_its_kind(client, receiver, mood, fault):
    answer = await send(client, f"{receiver.hook}/{mood}", timeout_s=1.5)
    assert (answer.status, answer.error) == (None, fault)
    assert answer.detail
    assert answer.excerpt == ""


async def test_an_attempt_may_be_silent_for_as_long_as_its_whole_time_whatever_is_usual(receiver):
    usual = httpx.Timeout(0.05, connect=PATIENCE_S)
    answered = asyncio.Event()

    async def answer_late(reader, writer):
        asyncio.get_running_loop().call_later(0.5, answered.set)
        await answered.wait()
        await answer_ok(reader, writer)

    async with served(answer_late) as port, guarded_client(allow=LOCAL, http_allowed=False, timeout=usual) as client:
        answer = await send(client, f"http://127.0.0.1:{port}/", timeout_s=PATIENCE_S)
    assert answer.status == 200


async def test_a_dripping_body_is_cut_at_the_limit_and_the_status_counts(client, receiver):
    async with timed() as time:
        answer = await send(client, f"{receiver.hook}/drip-body", timeout_s=1.5)
    assert answer.status == 200
    assert answer.excerpt.startswith(".")
    assert time.own_s < 1.5 + 1


@pytest.mark.parametrize("mood", ["endless", "gzip-bomb"])
async def test_an_endless_answer_and_a_packed_one_are_read_no_further_than_the_limit(client, receiver, mood):
    answer = await send(client, f"{receiver.hook}/{mood}", timeout_s=PATIENCE_S)
    assert answer.status == 200
    assert len(answer.excerpt.encode()) <= MAX_EXCERPT_BYTES
    assert answer.latency_ms < PATIENCE_S * 1000


async def test_what_is_read_of_an_endless_answer_stays_near_64_kb():
    sent_bytes, gone = 0, asyncio.Event()

    async def pour(reader, writer):
        nonlocal sent_bytes
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.transport.set_write_buffer_limits(high=0)
        try:
            while True:
                writer.write(bytes(8192))
                await writer.drain()
                sent_bytes += 8192
        except ConnectionError:
            gone.set()
        finally:
            writer.close()

    async with served(pour) as port, guarded_client(allow=LOCAL, http_allowed=False) as client:
        answer = await send(client, f"http://127.0.0.1:{port}/")
        await asyncio.wait_for(gone.wait(), PATIENCE_S)
    assert answer.status == 200
    # the kernel's buffers on both sides take what nobody reads
    assert sent_bytes < MAX_ANSWER_BYTES + 16_000_000


async def test_nobody_listening_is_a_refused_connection(client):
    async with served(lambda _r, w: w.close()) as port:
        pass
    answer = await send(client, f"http://127.0.0.1:{port}/")
    assert (answer.error, answer.detail) == (AttemptFault.REFUSED, "The host refused the connection.")


@pytest.mark.parametrize("by_name", [False, True])
async def test_a_process_that_may_open_no_more_files_does_not_blame_the_receiver(client, receiver, by_name):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(0)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, before[1]))
    try:
        answer = await send(client, "https://hooks.example.com/" if by_name else receiver.hook)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert answer.error is AttemptFault.NO_MEANS
    assert says_nothing(answer)
    assert not is_failure(answer)


async def test_an_unknown_name_is_said_to_be_one():
    async def nobody_knows(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with guarded_client(allow=(), http_allowed=False, resolver=nobody_knows) as client:
        answer = await send(client, "https://nowhere.example.com/")
    assert answer.error is AttemptFault.NAME_NOT_FOUND


@pytest.mark.parametrize(
    "url",
    [
        *("https://10.0.0.1/", "http://example.com/", "https://a@example.com/", "https://2130706433/"),
        *("https://xn--a.example/", "https://xn--n3h.example/", "https://\u2603.example/", "https://[fe80::1%25eth0]/"),
    ],
)
async def test_a_forbidden_target_is_an_answer_and_names_no_url(client, url):
    answer = await send(client, url)
    assert answer.error is AttemptFault.FORBIDDEN
    assert answer.detail
    assert url not in repr(answer)


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://", "nonsense", "https://[::1", "https://exa mple.com/", "https://\ud800.com/"),
        *(
            "https://a.example/\ud800",
            "https://a.example/\0",
            "https://a.example:" + "9" * 5000,
            "https://" + "a" * 70_000,
        ),
    ],
)
async def test_a_url_that_is_none_is_an_answer_too(client, url):
    assert (await send(client, url)).error is AttemptFault.FORBIDDEN


async def test_a_receiver_s_cookie_is_never_sent_back(client, receiver):
    await send(client, f"{receiver.hook}/cookie")
    await send(client, receiver.hook, message_id="evt_2")
    [second] = await receiver.received(at_least=1, id="evt_2")
    assert "cookie" not in second["headers"]


async def test_a_cancelled_attempt_is_cancelled(client, receiver):
    sending = asyncio.create_task(send(client, f"{receiver.hook}/hang"))
    await receiver.received(at_least=1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


def test_foreign_bytes_become_text_that_moves_no_cursor():
    assert safe_text(b"a\x1b[31mb\x00\r\n\xff\xe2\x80\xaec") == "a [31mb  \n\ufffd c"
    assert len(safe_text("ä".encode() * 2000).encode()) <= MAX_EXCERPT_BYTES


def certificate(*, names=(), days=1):
    """Make a self-signed certificate and its key, both PEM in one text."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM) + secret


@asynccontextmanager
async def served(handler, tls=None):
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def answer_ok(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def reset_after_request(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def over_tls(tmp_path, pem, url_host, handler=answer_ok):
    """Send one callback to a TLS receiver with this certificate, which the client's authorities have signed."""
    file = tmp_path / "receiver.pem"
    file.write_bytes(pem)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(file)

    async def here(_host, _port):
        return ["127.0.0.1"]

    async with (
        served(handler, server_side) as port,
        guarded_client(
            allow=LOCAL, http_allowed=False, resolver=here, tls=ssl.create_default_context(cafile=str(file))
        ) as client,
    ):
        return await send(client, f"https://{url_host}:{port}/")


async def test_tls_checks_the_name_although_the_number_is_dialled(tmp_path):
    pem = certificate(names=[x509.DNSName("hooks.example.com")])
    assert (await over_tls(tmp_path, pem, "hooks.example.com")).status == 200


async def test_tls_checks_the_name_without_the_root_s_dot_and_in_ascii(tmp_path):
    pem = certificate(names=[x509.DNSName("hooks.example.com"), x509.DNSName("xn--strae-oqa.example")])
    for host in ("hooks.example.com.", "stra\u00dfe.example", "STRA\u1e9eE.example"):
        assert (await over_tls(tmp_path, pem, host)).status == 200


async def test_a_reset_over_tls_is_told_from_a_failed_handshake(tmp_path):
    pem = certificate(names=[x509.DNSName("hooks.example.com")])
    assert (await over_tls(tmp_path, pem, "hooks.example.com", reset_after_request)).error is AttemptFault.BROKEN


def test_tls_is_the_same_on_the_loop_that_a_worker_runs_on(tmp_path):
    pem = certificate(names=[x509.DNSName("hooks.example.com")])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(over_tls(tmp_path, pem, "hooks.example.com")).status == 200
        assert runner.run(over_tls(tmp_path, pem, "other.example.com")).error is AttemptFault.TLS
        reset = runner.run(over_tls(tmp_path, pem, "hooks.example.com", reset_after_request))
    assert reset.error is AttemptFault.BROKEN


async def test_a_certificate_for_another_name_is_refused(tmp_path):
    pem = certificate(names=[x509.DNSName("other.example.com"), x509.IPAddress(ip_address("127.0.0.1"))])
    answer = await over_tls(tmp_path, pem, "hooks.example.com")
    assert answer.error is AttemptFault.TLS
    assert "certificate is not valid" in answer.detail


async def test_an_expired_certificate_is_refused(tmp_path):
    pem = certificate(names=[x509.DNSName("hooks.example.com")], days=-1)
    answer = await over_tls(tmp_path, pem, "hooks.example.com")
    assert answer.error is AttemptFault.TLS
    assert "expired" in answer.detail


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path):
    file = tmp_path / "receiver.pem"
    file.write_bytes(certificate(names=[x509.IPAddress(ip_address("127.0.0.1"))]))
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(file)
    async with served(answer_ok, server_side) as port, guarded_client(allow=LOCAL, http_allowed=False) as client:
        answer = await send(client, f"https://127.0.0.1:{port}/")
    assert answer.error is AttemptFault.TLS


async def test_a_receiver_that_speaks_no_tls_is_a_failed_handshake(client):
    async def answer_plainly(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with served(answer_plainly) as port:
        answer = await send(client, f"https://127.0.0.1:{port}/")
    assert answer.error is AttemptFault.TLS


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_receiver_that_hangs_up_at_once_is_there_and_no_silence(loop, scheme):
    async def attempt():
        async with served(lambda _r, w: w.close()) as port, guarded_client(allow=LOCAL, http_allowed=False) as client:
            return await send(client, f"{scheme}://127.0.0.1:{port}/")

    with asyncio.Runner(loop_factory=loop) as runner:
        answer = runner.run(attempt())
    assert answer.error is AttemptFault.BROKEN
    assert not is_silence(answer)


async def test_a_handshake_that_hangs_is_a_timeout_and_leaves_no_connection_open(client):
    gone = asyncio.Event()

    async def listen_only(reader, writer):
        await reader.read()
        gone.set()
        writer.close()

    async with served(listen_only) as port:
        answer = await send(client, f"https://127.0.0.1:{port}/", timeout_s=0.3)
        await asyncio.wait_for(gone.wait(), PATIENCE_S)
    assert answer.error is AttemptFault.TIMEOUT


async def test_the_receiver_itself_refuses_what_is_no_callback(receiver):
    async with httpx.AsyncClient(trust_env=False) as plain:
        assert (await plain.get(receiver.hook)).status_code == 404
        assert (await plain.post(f"{receiver.url}/elsewhere")).status_code == 404
        assert (await plain.post(f"{receiver.hook}/unheard-of")).status_code == 404
        assert (await plain.post(receiver.hook, content=b"no json")).status_code == 200
    unsigned = (await receiver.received(path="/hook"))[-1]
    assert (unsigned["verified"], unsigned["body"], unsigned["text"]) == (False, None, "no json")
