"""The way out: nothing goes to this machine or its network, however the address is written, unless it is declared."""

import asyncio
import ipaddress
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.infrastructure import http_client
from app.infrastructure.http_client import AddressRefused, AnswerRefused, HttpClient, NoAnswer
from app.kernel.addresses import Declared
from app.kernel.errors import InvalidInput

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPBACK = Declared.read(["127.0.0.0/8", "::1"])


class Listener:
    """Counts who connects, keeps what they send, and answers."""

    def __init__(self, answer=OK, trickle=0.0):
        self.answer, self.trickle = answer, trickle
        self.connections, self.requests, self.port = 0, [], 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head.decode())
                for start in range(0, len(self.answer), 65_536):
                    writer.write(self.answer[start : start + 65_536])
                    await writer.drain()
                while self.trickle:
                    await asyncio.sleep(self.trickle)
                    writer.write(b"x")
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer=OK, *, host="127.0.0.1", port=0, tls=None, trickle=0.0):
    one = Listener(answer, trickle)
    async with await asyncio.start_server(one.serve, host, port, ssl=tls) as server:
        one.port = server.sockets[0].getsockname()[1]
        yield one


@asynccontextmanager
async def client(declared=None, **more):
    made = HttpClient(declared, **more)
    try:
        yield made
    finally:
        await made.close()


async def plainly(url, **more):
    """The control: somebody who goes wherever a URL leads."""
    async with httpx.AsyncClient(**{"trust_env": False, **more}) as library:
        return (await library.get(url)).text


def answers(*turns):
    """A resolver that gives one list of addresses after another, the last one again and again; and how often it was asked."""
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return turns[min(len(asked), len(turns)) - 1]

    return resolve, asked


# Forms of 127.0.0.1 and its kin, as hosts in a URL. The system's resolver understands many of them.
FORMS = """
127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1 017700000001 0 0.0.0.0 127.0.0.2 127.255.255.254
localhost LOCALHOST localhost. 127.0.0.1. [::1] [::] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1]
[64:ff9b::7f00:1] [2002:7f00:1::] [fe80::1] [fd00::1] [ff02::1] 10.0.0.1 172.16.0.1 192.168.0.1 169.254.169.254
100.64.0.1 192.0.0.8 192.88.99.1 198.18.0.1 224.0.0.1 255.255.255.255 127。0。0。1 １２７.０.０.１ ①②⑦.⓪.⓪.① ⓛocalhost
"""


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_form_of_a_private_address_is_connected_to(scheme):
    assert len(FORMS.split()) >= 40
    async with listening() as one, client(ports=frozenset({one.port})) as ours:
        for form in FORMS.split():
            # A name the resolver does not know is no way either: the same, but not "refused".
            with pytest.raises((AddressRefused, NoAnswer)):
                await ours.get(f"{scheme}://{form}:{one.port}/")
        assert one.connections == 0
        assert await plainly(f"http://2130706433:{one.port}/") == "ok"
        assert one.connections == 1, "the control, which checks nothing, gets through"


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "100.64.0.1", "224.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "192.0.0.8", "::1", "x"],
)
async def test_a_name_with_one_private_address_among_public_ones_is_refused_whole(address):
    resolve, asked = answers(["1.1.1.1", address])
    async with client(resolve=resolve) as ours:
        with pytest.raises(AddressRefused):
            await ours.get("https://hooks.example/")
    assert asked == ["hooks.example"]


async def test_a_name_that_changes_its_mind_is_reached_where_it_was_checked():
    async with listening() as inside, listening(host="127.0.0.2", port=inside.port) as meant:
        declared = Declared.read(["127.0.0.2"])
        url = f"http://hooks.example:{inside.port}/"
        resolve, asked = answers(["127.0.0.2"], ["127.0.0.1"])
        async with client(declared, resolve=resolve) as ours:
            assert (await ours.get(url)).body == b"ok"
            assert asked == ["hooks.example"]
            assert (meant.connections, inside.connections) == (1, 0)
        async with client(declared, resolve=resolve) as ours:
            with pytest.raises(AddressRefused):
                await ours.get(url)
        assert inside.connections == 0
        # The control checks one answer and connects to the next, as whoever gives the name to a library does.
        resolve, _ = answers(["127.0.0.2"], ["127.0.0.1"])
        assert declared.covers("", ipaddress.ip_address((await resolve("hooks.example", 0))[0]))
        target = (await resolve("hooks.example", 0))[0]
        await plainly(f"http://{target}:{inside.port}/")
        assert inside.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status):
    async with listening() as inside:
        to = f"HTTP/1.1 {status} Go\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(to) as one, client(LOOPBACK) as ours:
            answer = await ours.get(f"http://127.0.0.1:{one.port}/")
            assert (answer.status, answer.body) == (status, b"")
            assert inside.connections == 0
            await plainly(f"http://127.0.0.1:{one.port}/", follow_redirects=True)
            assert inside.connections == 1


async def test_an_answer_is_read_no_further_than_it_may_be_long():
    body = b"x" * 1000
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with listening(head + body) as one:
        url = f"http://127.0.0.1:{one.port}/"
        async with client(LOOPBACK, answer_bytes_max=1000) as ours:
            assert (await ours.get(url)).body == body
        async with client(LOOPBACK, answer_bytes_max=999) as ours:
            with pytest.raises(AnswerRefused, match="longer than 999 bytes"):
                await ours.get(url)


async def test_an_answer_without_end_is_cut_off():
    async with listening(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, trickle=0.001) as one, client(LOOPBACK) as ours:
        with pytest.raises(AnswerRefused, match="longer than 65536 bytes"):
            await ours.get(f"http://127.0.0.1:{one.port}/")


async def test_an_answer_that_trickles_is_waited_for_only_so_long():
    async with (
        listening(b"HTTP/1.1 200 OK\r\n\r\n", trickle=0.01) as one,
        client(LOOPBACK, timeout_seconds=0.1) as ours,
    ):
        with pytest.raises(NoAnswer, match="no whole answer in time"):
            await ours.get(f"http://127.0.0.1:{one.port}/")


async def test_a_server_that_says_nothing_is_waited_for_only_so_long():
    async with listening(b"") as one, client(LOOPBACK, timeout_seconds=0.05) as ours:
        with pytest.raises(NoAnswer):
            await ours.get(f"http://127.0.0.1:{one.port}/")


async def test_a_resolver_that_says_nothing_is_waited_for_only_so_long():
    async def resolve(host, port):
        await asyncio.sleep(60)

    async with client(timeout_seconds=0.05, resolve=resolve) as ours:
        with pytest.raises(NoAnswer):
            await ours.get("https://hooks.example/")


async def test_a_packed_answer_is_refused():
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok") as one:
        async with client(LOOPBACK) as ours:
            with pytest.raises(AnswerRefused, match="packed"):
                await ours.get(f"http://127.0.0.1:{one.port}/")
        assert "accept-encoding: identity" in one.requests[0].lower()


async def test_what_a_server_sets_as_a_cookie_does_not_come_back():
    async with listening(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok") as one:
        async with client(LOOPBACK) as ours:
            for _ in range(2):
                await ours.get(f"http://127.0.0.1:{one.port}/")
        assert len(one.requests) == 2
        assert "cookie" not in "".join(one.requests).lower()


async def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    async with listening() as proxy, listening() as one:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with client(LOOPBACK) as ours:
            await ours.get(f"http://127.0.0.1:{one.port}/")
        assert (proxy.connections, one.connections) == (0, 1)
        await plainly(f"http://127.0.0.1:{one.port}/", trust_env=True)
        assert proxy.connections == 1, "the control asks it"


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example/", "https://hooks.example:22/", "https://hooks.example:6379/", "https://hooks.example:80/"],
)
async def test_without_tls_or_on_another_port_nobody_undeclared_is_reached(url):
    resolve, _ = answers(["1.1.1.1"])
    async with client(resolve=resolve) as ours:
        with pytest.raises(AddressRefused):
            await ours.get(url)


@pytest.mark.parametrize(
    "url", ["ftp://hooks.example/", "file:///etc/passwd", "gopher://x/", "https:///x", "//x", "", "https://[::1"]
)
async def test_what_is_no_web_address_is_refused(url):
    async with client(LOOPBACK) as ours:
        with pytest.raises(AddressRefused):
            await ours.get(url)


async def test_an_error_tells_no_address():
    resolve, _ = answers(["10.11.12.13"])
    async with client(resolve=resolve) as ours:
        with pytest.raises(AddressRefused) as refused:
            await ours.get("https://hooks.example/")
    assert "10.11" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_json_that_is_none_is_refused():
    async with listening() as one, client(LOOPBACK) as ours:
        answer = await ours.get(f"http://127.0.0.1:{one.port}/")
        with pytest.raises(AnswerRefused, match="not JSON"):
            answer.json()


def certificate(name):
    """A certificate that signs itself, and contexts of a server that has it and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


async def test_over_tls_the_name_is_said_and_proven_though_the_address_was_chosen_before(tmp_path):
    public, private = certificate("hooks.example")
    (tmp_path / "both.pem").write_bytes(public + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "both.pem")
    said = []
    server.sni_callback = lambda _, name, __: said.append(name)
    trusting = ssl.create_default_context(cadata=public.decode())
    resolve, _ = answers(["127.0.0.1"])
    async with listening(tls=server) as one, client(LOOPBACK, resolve=resolve, tls=trusting) as ours:
        assert (await ours.get(f"https://hooks.example:{one.port}/in")).body == b"ok"
        assert said == ["hooks.example"]
        assert f"host: hooks.example:{one.port}" in one.requests[0].lower()
        with pytest.raises(NoAnswer):
            await ours.get(f"https://other.example:{one.port}/in")
        assert len(one.requests) == 1, "who cannot prove the name hears nothing"


@pytest.mark.parametrize(
    "text",
    ["http://hooks.example/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://u:p@hooks.example/",
     "https://hooks.example:22/", "https://hooks.example/#x", "https://", "hooks.example", "https://" + "x" * 2000,
     "https://h:99999/", "javascript:alert(1)"],
)  # fmt: skip
def test_what_cannot_be_gone_to_is_not_even_kept(text):
    with pytest.raises(InvalidInput):
        http_client.require_outbound_url(text, "url")


def test_an_address_that_can_be_gone_to_is_kept_as_it_is():
    assert http_client.require_outbound_url(" https://hooks.example/in?a=b ", "url") == "https://hooks.example/in?a=b"


async def test_what_the_operator_declares_is_reached_by_the_client_of_the_process():
    async with listening() as one:
        url = f"http://127.0.0.1:{one.port}/"
        with pytest.raises(AddressRefused):
            await http_client.outside().get(url)
        await http_client.start(["127.0.0.1"])
        try:
            assert http_client.require_outbound_url(url, "url") == url
            assert (await http_client.outside().get(url)).body == b"ok"
            async with httpx.AsyncClient(transport=http_client.outside_transport(), trust_env=False) as library:
                assert (await library.get(url)).text == "ok"
        finally:
            await http_client.stop()
        with pytest.raises(AddressRefused):
            await http_client.outside().get(url)
        await http_client.stop()
