"""Servers that all contract tests share; every test has a prefix of its own."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from mien.transport.redis import RedisTransport
from tests.servers import KINDS, Server
from tests.streams import QUICK

_PREFIXES = (f"t{number}:" for number in itertools.count())


@pytest.fixture(scope="session")
def server_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Starts a server of a kind when a test first asks for it."""
    running: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in running:
            running[kind] = Server(kind, tmp_path_factory.mktemp(kind)).start()
        return running[kind]

    yield get
    for server in running.values():
        server.remove()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers that the test may kill."""
    made: list[Server] = []

    def make(kind: str, **options: object) -> Server:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(Server(kind, folder, **options).start())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.fixture
def prefix() -> str:
    return next(_PREFIXES)


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, server_of: Callable[[str], Server]) -> Server:
    return server_of(request.param)


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    with server.client() as opened:
        yield opened


@pytest.fixture
def open_transport(server: Server, prefix: str) -> Iterator[Callable[..., RedisTransport]]:
    opened: list[RedisTransport] = []

    def get(**options: Any) -> RedisTransport:
        settings = {"prefix": prefix, "lifetimes": QUICK, **options}
        opened.append(RedisTransport(server.url, **settings))
        return opened[-1]

    yield get
    for transport in opened:
        transport.close()
