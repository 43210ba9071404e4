"""Connecting: several hosts, names, time limits, TLS; and nothing left behind when it fails."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
import trustme
from psycopg.conninfo import make_conninfo

from awa._storage import attempts
from awa._storage.attempts import connect_timeout_s, split_hosts
from awa._storage.connecting import open_connection
from awa.embedded import Cluster
from awa.errors import ConfigurationError, ServerUnreachable
from tests.fix_cluster import SETTINGS, chosen_bindir

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "database.example"
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class Resolver(trio.abc.HostnameResolver):
    """The test's own name service: one name, held back until `answer` is set."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.answer = trio.Event()

    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        """Know one name."""
        self.asked.set()
        await self.answer.wait()
        if host != NAME.encode():  # trio asks for the encoded form
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = ("127.0.0.1", int(port))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    async def getnameinfo(self, *_: Any) -> tuple[str, str]:
        """Nobody asks."""
        raise NotImplementedError


@pytest.fixture
async def resolver() -> Resolver:
    """The name service of this test; trio forgets it when the test ends."""
    made = Resolver()
    trio.socket.set_custom_hostname_resolver(made)
    return made


@pytest.fixture(scope="module")
def listening() -> Iterator[Cluster]:
    """A cluster that listens on TCP."""
    with Cluster(bindir=chosen_bindir(), settings=SETTINGS, tcp=True) as running:
        yield running


class TlsFront:
    """TLS in front of a server that may be built without: as a load balancer would do it.

    Each connection asks for TLS as PostgreSQL's protocol has it, and is carried on in the clear.
    """

    def __init__(self, server_port: int, certificate: trustme.LeafCert) -> None:
        self.handshakes = 0
        self._server_port = server_port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self._context)

    async def serve(self, client: trio.SocketStream) -> None:
        """Carry one connection until either side leaves."""
        while await client.receive_some(8) != SSL_REQUEST:
            await client.send_all(b"N")  # encryption by GSSAPI, which we have not
        await client.send_all(b"S")
        inside = trio.SSLStream(client, self._context, server_side=True)
        with suppress(trio.BrokenResourceError):
            await inside.do_handshake()
            self.handshakes += 1
            server = await trio.open_tcp_stream("127.0.0.1", self._server_port)
            async with inside, server, trio.open_nursery() as nursery:
                nursery.start_soon(self._carry, inside, server, nursery.cancel_scope)
                nursery.start_soon(self._carry, server, inside, nursery.cancel_scope)

    @staticmethod
    async def _carry(
        source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope
    ) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some():
                await sink.send_all(data)
        scope.cancel()


@contextmanager
def silent_host() -> Iterator[int]:
    """The port of a host that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@contextmanager
def dead_host() -> Iterator[int]:
    """A port that refuses connections for as long as the block lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def sockets() -> int:
    """How many sockets this process has open."""
    links = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return sum(str(link).startswith("socket:") for link in links)


async def port_of(conninfo: str) -> int:
    """Which of several hosts took the connection."""
    async with open_connection(conninfo) as conn:
        return conn.info.port


async def test_the_second_host_is_tried_when_the_first_is_dead(listening: Cluster) -> None:
    """Failover is in the connection string, as libpq has it."""
    with dead_host() as dead:
        hosts = {"host": "127.0.0.1,127.0.0.1", "port": f"{dead},{listening.port}"}
        conninfo = make_conninfo(listening.conninfo(tcp=True), **hosts)
        assert listening.port == await port_of(conninfo)


async def test_a_host_that_stays_silent_costs_its_time_limit_only(
    listening: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that fell off the network does not hang a client."""
    monkeypatch.setattr(attempts, "CONNECT_TIMEOUT_MIN_S", 2.0)
    with silent_host() as silent:
        conninfo = make_conninfo(
            listening.conninfo(tcp=True),
            host="127.0.0.1,127.0.0.1",
            port=f"{silent},{listening.port}",
            connect_timeout="2",
        )
        assert listening.port == await port_of(conninfo)


async def test_when_no_host_answers_every_failure_is_told() -> None:
    """Nothing was sent, and the message is the operator's first clue."""
    before = sockets()
    with dead_host() as dead:
        with pytest.raises(ServerUnreachable) as caught:
            await port_of(f"host=127.0.0.1,127.0.0.1,/nowhere port={dead} dbname=d user=u")
        assert 2 == str(caught.value).count("refused")
        assert "/nowhere" in str(caught.value)
    assert before == sockets()


async def test_cancelling_an_attempt_leaves_no_socket(listening: Cluster) -> None:
    """Nor a session on the server."""
    before = sockets()
    with silent_host() as silent:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(port_of, f"host=127.0.0.1 port={silent} dbname=d user=u")
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught
        assert before + 1 == sockets()


async def test_a_name_is_resolved_while_other_tasks_run(
    listening: Cluster, resolver: Resolver
) -> None:
    """The name service may take its time: the loop goes on."""
    conninfo = make_conninfo(listening.conninfo(tcp=True), host=NAME)
    ports: list[int] = []

    async def connect() -> None:
        ports.append(await port_of(conninfo))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect)
        await resolver.asked.wait()
        resolver.answer.set()  # we run, so connecting does not hold the loop
    assert [listening.port] == ports


async def test_a_name_that_does_not_resolve_is_skipped_or_told(
    listening: Cluster, resolver: Resolver
) -> None:
    """With a second host it is a detour, without one an error that names the name."""
    resolver.answer.set()
    conninfo = make_conninfo(listening.conninfo(tcp=True), host=f"nowhere.example,{NAME}")
    assert listening.port == await port_of(conninfo)
    with pytest.raises(ServerUnreachable, match=r"nowhere\.example: the name cannot be resolved"):
        await port_of(make_conninfo(conninfo, host="nowhere.example"))


async def test_tls_verifies_the_name_that_the_user_wrote(
    listening: Cluster, resolver: Resolver, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Although the address was resolved by us, the certificate is checked against the name."""
    resolver.answer.set()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "root.pem")
    front = TlsFront(listening.port, authority.issue_cert(NAME))
    (listener,) = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), front.serve, 0)
    conninfo = make_conninfo(
        listening.conninfo(tcp=True),
        host=NAME,
        port=listener.socket.getsockname()[1],
        sslmode="verify-full",
        sslrootcert=str(tmp_path / "root.pem"),
    )
    async with open_connection(conninfo) as conn:
        # Larger than a TLS record and the socket's buffers: both directions at once.
        cursor = await conn.execute("select length(%s)", ["x" * 3_000_000])
        assert (3_000_000,) == await cursor.fetchone()
        with trio.move_on_after(0.05):
            await conn.execute("select pg_sleep(60)")
        assert not conn.closed
    assert 2 == front.handshakes  # the cancel request went by TLS as well
    with pytest.raises(ServerUnreachable, match="certificate"):
        await port_of(make_conninfo(conninfo, host="127.0.0.1"))


async def test_target_session_attrs_choose_among_hosts(listening: Cluster) -> None:
    """A primary is refused where a standby is asked for, and taken where one is only preferred."""
    conninfo = make_conninfo(listening.conninfo(tcp=True), target_session_attrs="standby")
    with pytest.raises(ServerUnreachable, match="standby"):
        await port_of(conninfo)
    for wish in ("prefer-standby", "read-write", "primary", "any"):
        assert listening.port == await port_of(make_conninfo(conninfo, target_session_attrs=wish))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [{}]),
        ({"host": "a", "port": "1"}, [{"host": "a", "port": "1"}]),
        ({"host": "a,b", "port": "1"}, [{"host": "a", "port": "1"}, {"host": "b", "port": "1"}]),
        ({"host": "a,b", "port": "1,2"}, [{"host": "a", "port": "1"}, {"host": "b", "port": "2"}]),
        ({"hostaddr": "::1,::2"}, [{"hostaddr": "::1"}, {"hostaddr": "::2"}]),
    ],
)
def test_hosts_and_ports_pair_up(
    params: dict[str, str], expected: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One port serves all hosts, or each has its own."""
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    assert expected == split_hosts(params)


def test_the_environment_stands_in_for_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every program that uses libpq."""
    monkeypatch.setenv("PGHOST", "a,b")
    monkeypatch.setenv("PGPORT", "7")
    monkeypatch.delenv("PGHOSTADDR", raising=False)
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert [{"host": "a", "port": "7"}, {"host": "b", "port": "7"}] == split_hosts({})
    assert 3.0 == connect_timeout_s({})


@pytest.mark.parametrize(
    "conninfo", ["host=a,b port=1,2,3", "host=a,b hostaddr=1.1.1.1", "connect_timeout=soon", "a b"]
)
async def test_a_connection_string_that_contradicts_itself_is_the_callers_error(
    conninfo: str,
) -> None:
    """It will not get better by trying again."""
    with pytest.raises(ConfigurationError):
        await port_of(conninfo)


def test_no_time_limit_is_the_default_and_one_second_is_two() -> None:
    """Zero is libpq's word for none; an asynchronous program always has one."""
    assert [10.0, 2.0, 7.0] == [connect_timeout_s({"connect_timeout": s}) for s in ("0", 1, 7)]
