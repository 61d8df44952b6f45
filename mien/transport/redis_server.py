"""The connection to one Redis server: its address, its failures as our errors, and retries."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
)
from redis.retry import Retry

from mien.contract.errors import Closed, TransportError, UsageError

SCHEMES = ("redis", "rediss", "unix")
GIVEN = "MIEN_REDIS_URL (or --redis-url)"
"""Where a URL comes from, as its errors name it."""
UNQUOTED = (
    "has a sign that is read as the end of the password: / is written as %2F there, # as %23, "
    "? as %3F, [ as %5B, @ as %40"
)
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 15.0
"""Longer than any command waits in the server, with an image on a thin line besides."""
LONGEST_BLOCK_S = 0.4
"""How long one command may wait in the server: a closed transport is noticed so soon."""
HEALTH_CHECK_S = 15
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Between two attempts to reach the server."""
REFUSED_EVERY_S = 60.0
"""How often it is logged that the server refuses."""

OPTION = re.compile(
    "client_name|db|max_connections|password|path|socket_keepalive|ssl_[a-z_]+|username"
)
"""What may stand behind the ? of a URL: other options are no text, or for this module to choose."""

IN_NEED = re.compile(r"\b(MISCONF|NOREPLICAS|BUSY|OOM|READONLY|MASTERDOWN|UNBLOCKED) ")
"""What refusals say that pass: a full disk, replicas that are away, a long script, no memory, a
replica, or one that has just become it. Those that have a class of their own lose it where Redis 6
tells what a script met."""

NO_PRIMARY = re.compile(r"\b(READONLY|MASTERDOWN|UNBLOCKED) ")
"""Those of a replica."""

WRONG_OPTION = (AttributeError, TypeError, ValueError, redis.RedisError)
"""What a connection raises that is made with options of the wrong kind, or not of its own kind."""

LOCKED_OUT = (AuthenticationError, AuthorizationError)
"""redis-py takes them for connection errors, but retries do not help."""

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Unreachable(TransportError):  # noqa: N818 - a state of things, as its siblings
    """The server did not answer, or refused for now, until there was no more time for retries."""


class RedisServer:
    """A connection pool that retries, safe from any number of threads.

    It never shows the URL, which may hold a password; errors name host and port.
    """

    def __init__(self, url: str, *, wait_s: float = 0.0) -> None:
        """Waits up to `wait_s` for a server that does not answer.

        Raises:
            UsageError: the URL is not a valid Redis URL.
            TransportError: there is no server, or it does not let us in.
        """
        self.name = address_of(url)
        self._closed = threading.Event()
        self._reached: bool | None = None  # nothing was asked yet
        self._quiet_until_s = 0.0
        wrong = f"{GIVEN} of {self.name} has a wrong option"
        if not all(map(OPTION.fullmatch, parse_qs(urlsplit(url).query, keep_blank_values=True))):
            raise UsageError(wrong)
        try:
            self._client = redis.Redis.from_url(
                url,
                protocol=2,  # the shapes of replies differ in 3
                decode_responses=False,
                socket_connect_timeout=CONNECT_TIMEOUT_S,
                socket_timeout=REPLY_TIMEOUT_S,
                health_check_interval=HEALTH_CHECK_S,
                retry=Retry(NoBackoff(), 0),  # `call` does that, and can be woken
            )
            pool = self._client.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # which looks at them only now
        except WRONG_OPTION:  # its text may quote the URL
            raise UsageError(wrong) from None
        self.call(lambda client: client.ping(), patience_s=wait_s)

    def call(
        self, command: Callable[[redis.Redis], Answer], *, patience_s: float = math.inf
    ) -> Answer:
        """What `command` answers; tried again while the server cannot be reached, or refuses for
        want of memory or disk.

        A command may thus be carried out twice, which must do no harm.

        Raises:
            Closed: `close` was called.
            Unreachable: the server did not answer, or refused, for so long.
            TransportError: it refuses the password or the command.
        """
        deadline, pause_s = time.monotonic() + patience_s, FIRST_PAUSE_S
        while True:
            self.check_open()
            try:
                answer = command(self._client)
            except redis.RedisError as error:
                self.check_open()
                if not is_passing(error):
                    raise self.failure(error) from error
                self._tell_trouble(error)
                leave_replica(error, self._client)
                # a connection may be back in a moment, memory is not
                soonest_s = LONGEST_PAUSE_S if isinstance(error, redis.ResponseError) else 0.0
                if time.monotonic() + soonest_s >= deadline:
                    raise self.failure(error) from error
            else:
                self._tell(reached=True)
                return answer
            self.sleep(min(pause_s, max(deadline - time.monotonic(), 0)))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def failure(self, error: redis.RedisError) -> TransportError:
        """What is raised of it: `Unreachable` where the same may be answered later on."""
        if isinstance(error, LOCKED_OUT):
            return TransportError(f"the server at {self.name} refuses the password")
        if is_passing(error):
            return Unreachable(self._no_way(error))
        return TransportError(self._refusal(error))

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until `close`; raises `Closed` then."""
        if self._closed.wait(seconds):
            raise Closed

    def close(self) -> None:
        """Let nobody in any more; whoever waits gets `Closed`."""
        self._closed.set()
        # those in use are left to their threads, which are about to notice
        self._client.connection_pool.disconnect(inuse_connections=False)

    def check_open(self) -> None:
        """Raises `Closed` after `close`."""
        if self._closed.is_set():
            raise Closed

    def _tell(self, *, reached: bool) -> None:
        before, self._reached = self._reached, reached
        if before is not None and reached != before:  # that it never answered is an error, not news
            says = "answers again" if reached else "does not answer; trying again"
            _log.warning("the server at %s %s", self.name, says)

    def _tell_trouble(self, error: redis.RedisError) -> None:
        if not isinstance(error, redis.ResponseError):
            self._tell(reached=False)
        elif time.monotonic() >= self._quiet_until_s:  # what it only reads it may still answer
            self._quiet_until_s = time.monotonic() + REFUSED_EVERY_S
            _log.warning("%s; trying again", self._refusal(error))

    def _refusal(self, error: redis.RedisError) -> str:
        return f"the server at {self.name} refuses: {error}"

    def _no_way(self, error: redis.RedisError) -> str:
        if isinstance(error, redis.ResponseError):
            return self._refusal(error)
        cause = error.__cause__ or error.__context__
        reason = getattr(cause, "strerror", None) or getattr(cause, "reason", None)
        detail = f" ({str(reason).lower()})" if reason else ""
        return f"cannot reach the server at {self.name}; start one, or set MIEN_REDIS_URL{detail}"


def is_passing(error: redis.RedisError) -> bool:
    """Whether the same command may be taken later on: the server is away, or in need."""
    if isinstance(error, LOCKED_OUT):
        return False
    away = (redis.ConnectionError, redis.TimeoutError)
    in_need = (OutOfMemoryError, ReadOnlyError, MasterDownError)
    # of a pipeline, the text begins with the command; of a script, with where it stopped
    return isinstance(error, (*away, *in_need)) or bool(IN_NEED.search(str(error)))


def leave_replica(error: redis.RedisError, client: redis.Redis) -> None:
    """Connect anew from now on, where it says that the server is no primary any more: behind the
    same address there may be another one.
    """
    if isinstance(error, (ReadOnlyError, MasterDownError)) or NO_PRIMARY.search(str(error)):
        client.connection_pool.disconnect(inuse_connections=False)


def address_of(url: str) -> str:
    """Host and port, or the socket's path: what may be shown of a server's URL.

    Raises:
        UsageError: it is no URL of a Redis server.
    """
    if trouble := _trouble(url):
        raise UsageError(f"{GIVEN} {trouble}")
    parts: SplitResult = urlsplit(url)
    if parts.scheme == "unix":
        return unquote(parts.path)
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def _trouble(url: str) -> str | None:
    """What is wrong with the URL, as the end of a sentence that quotes none of it."""
    schemes = tuple(f"{scheme}://" for scheme in SCHEMES)
    if not url.startswith(schemes):
        return f"has to begin with {', '.join(schemes)}"
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket without its other half
        return UNQUOTED if "@" in url else "is no address of a server"
    is_socket = parts.scheme == "unix"  # its path may hold an @, behind the login
    if "@" in parts.path + parts.query + parts.fragment and not (
        is_socket and (not parts.netloc or "@" in parts.netloc)
    ):
        return UNQUOTED
    if is_socket:
        return None
    if not _has_port(parts):
        return "has a wrong port: it is a number from 1 to 65535"
    if not re.fullmatch("/?[0-9]*/?", unquote(parts.path)):
        return "has a wrong database: it is a number, such as /0 or /1"
    return None


def _has_port(parts: SplitResult) -> bool:
    """Whether the port is one, or left out."""
    try:
        return parts.port != 0
    except ValueError:
        return False
