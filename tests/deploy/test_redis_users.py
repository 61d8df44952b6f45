"""The server as deployments start it: what its one user may do is enough for jobs, and no more."""

import hashlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import redis

from tests.conftest import REPOSITORY
from tests.deployment import Cli, Daemon, analyzer, stream_worker
from tests.faces import make_face_clip
from tests.servers import KINDS, Server, free_port, server_binary
from tests.waiting import wait_for

PASSWORD = "f00d" * 16


class StartedServer:
    """deploy/redis/start.sh, run on this machine."""

    def __init__(self, kind: str, deploy: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://mien:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.users = folder / "users.acl"
        self.folder = folder
        self.process = Daemon(
            "sh", deploy / "redis/start.sh", "--dir", folder, "--port", self.port,
            "--bind", "127.0.0.1", log=folder / "server.log",
            env={
                "MIEN_REDIS_PASSWORD": PASSWORD, "MIEN_REDIS_USERS": str(self.users),
                "MIEN_REDIS_SERVER": server_binary(kind), "MIEN_REDIS_MAXMEMORY": "512mb",
            },
        )  # fmt: skip

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, protocol=2)


def answers(server: StartedServer) -> bool:
    try:
        with server.client() as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, deploy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartedServer]:
    started = StartedServer(request.param, deploy, tmp_path_factory.mktemp("server"))
    with started.process:
        wait_for(lambda: answers(started))
        yield started


def test_a_job_needs_no_more_than_its_user_may(server: StartedServer, tmp_path: Path) -> None:
    clip = make_face_clip(tmp_path / "face.mp4", frames=20, fps=Fraction(25))
    cli = Cli(server, tmp_path)  # type: ignore[arg-type]
    with (
        stream_worker(server, tmp_path / "stream.log") as stream,  # type: ignore[arg-type]
        analyzer(server, tmp_path / "analyzer.log") as analyzing,  # type: ignore[arg-type]
    ):
        done = cli("submit", clip, "-o", "out.mp4", "--id", "one", "--wait", "--quiet")
        assert done.returncode == 0, done.stderr + stream.text() + analyzing.text()
        assert cli("retry", "one").returncode == 2  # it has not failed, says the record
        cli("submit", "http://127.0.0.1:9/x", "-o", "no.mp4", "--id", "two")
        cli.await_state("two", "failed")
        assert cli("retry", "two").returncode == 0
        cli.await_state("two", "failed")
        assert cli("jobs").stdout.count("\n") == 2
        logs = stream.text() + analyzing.text()
    assert "NOPERM" not in logs.upper().replace("NO PERMISSION", "NOPERM"), logs


def refused(ask: Callable[[redis.Redis], object], client: redis.Redis) -> bool:
    try:
        ask(client)
    except (redis.exceptions.NoPermissionError, redis.ResponseError) as error:
        return "permission" in str(error).lower()
    return False


def test_the_user_may_not_touch_what_is_not_miens(server: StartedServer) -> None:
    with server.client() as client:
        assert client.set("mien:test", 1)
        assert client.delete("mien:test")
        for ask in (
            lambda c: c.get("other"),
            lambda c: c.set("other", 1),
            lambda c: c.publish("other", "x"),
            lambda c: c.eval("return redis.call('GET', KEYS[1])", 1, "other"),
            lambda c: c.flushall(),
            lambda c: c.keys("*"),
            lambda c: c.scan(),
            lambda c: c.config_get("*"),
            lambda c: c.acl_list(),
            lambda c: c.shutdown(),
            lambda c: c.client_list(),
            lambda c: c.execute_command("REPLICAOF", "127.0.0.1", "1"),
            lambda c: c.execute_command("MODULE", "LIST"),
        ):
            assert refused(ask, client), ask


@pytest.mark.parametrize("kind", KINDS)
def test_the_user_may_choose_a_database(kind: str, deploy: Path, tmp_path: Path) -> None:
    """Also on Redis 6.2, where SELECT is no command of @connection."""
    rights = (deploy / "redis/users.acl").read_text().rpartition("#{password} ")[2]
    rules = rights.replace("+@connection", "+@connection -select").split()
    server = Server(kind, tmp_path).start()
    try:
        with server.client() as admin:
            admin.execute_command("ACL", "SETUSER", "mien", "on", f">{PASSWORD}", *rules)
        url = f"redis://mien:{PASSWORD}@127.0.0.1:{server.port}/1"
        with redis.Redis.from_url(url, protocol=2) as client:
            assert client.set("mien:test", 1)
    finally:
        server.remove()


def test_nobody_else_gets_in(server: StartedServer) -> None:
    for login in ("", "mien:wrong@", f":{PASSWORD}@"):
        with (
            redis.Redis.from_url(f"redis://{login}127.0.0.1:{server.port}/0") as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_the_server_keeps_what_it_has_taken_and_evicts_nothing(server: StartedServer) -> None:
    with server.client() as client:
        told = client.info()
    assert told["maxmemory"] == 512 * 2**20
    assert told["maxmemory_policy"] == "noeviction"
    assert told["aof_enabled"] == 1


def test_the_password_is_in_no_file_and_in_no_command_line(server: StartedServer) -> None:
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() in server.users.read_text()
    assert server.users.stat().st_mode & 0o077 == 0
    assert PASSWORD not in server.users.read_text()
    command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert PASSWORD.encode() not in command


def test_without_a_password_it_does_not_start(deploy: Path, tmp_path: Path) -> None:
    with Daemon(
        "sh", deploy / "redis/start.sh", log=tmp_path / "log", env={"MIEN_REDIS_PASSWORD": ""}
    ) as started:
        assert started.wait() == 2
        assert "MIEN_REDIS_PASSWORD is empty" in started.text()


def test_the_page_gives_the_same_rights(deploy: Path) -> None:
    page = (REPOSITORY / "docs/operation.md").read_text()
    rights = (deploy / "redis/users.acl").read_text().rpartition("#{password} ")[2].strip()
    assert f"ACL SETUSER mien on >PASSWORD {rights}\n" in page
