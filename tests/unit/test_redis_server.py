"""Which failures of a server pass, so that it is waited for, and which addresses are none."""

import traceback

import pytest
import redis
from redis.exceptions import OutOfMemoryError

from mien.contract.errors import TransportError, UsageError
from mien.transport.redis_server import RedisServer, address_of, is_passing

SCRIPT = "Error running script (call to f_25d8): @user_script:9: @user_script: 9: "
"""What Redis 6.2 says first where a script is refused; its class is that of any error then."""


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT + "-OOM command not allowed when used memory > 'maxmemory'.",
        SCRIPT + "-READONLY You can't write against a read only replica.",
        SCRIPT + "-MISCONF Redis is configured to save RDB snapshots, but is unable to persist.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "Command # 1 (HSET a b c) of pipeline caused error: OOM command not allowed when used",
        "NOREPLICAS Not enough good replicas to write.",
        "BUSY Redis is busy running a script.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> repl",
    ],
)
def test_a_server_in_need_is_waited_for(text: str) -> None:
    assert is_passing(redis.ResponseError(text))


@pytest.mark.parametrize(
    "text",
    [
        "BUSYGROUP Consumer Group name already exists",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "Command # 1 (GET mien:job:ROOM ) of pipeline caused error: WRONGTYPE Operation against",
        SCRIPT + "Script attempted to access nonexistent global variable 'x'",
        "NOPERM this user has no permissions to run the 'scan' command",
    ],
)
def test_what_is_wrong_for_good_is_not_waited_for(text: str) -> None:
    assert not is_passing(redis.ResponseError(text))


def test_who_is_away_or_has_a_class_of_its_own_is_waited_for() -> None:
    for error in (redis.ConnectionError(), redis.TimeoutError(), OutOfMemoryError("command not")):
        assert is_passing(error)


def test_a_wrong_password_is_not_waited_for() -> None:
    assert not is_passing(redis.AuthenticationError("invalid username-password pair"))


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1/0?ssl_ca_certs=/x",  # of rediss:// alone
        "rediss://127.0.0.1:1/0?ssl_ca_cert=/x",
        "rediss://127.0.0.1:1/0?ssl_cert_reqs=maybe",
        "redis://127.0.0.1:1/0?socket_timeout=long",
        "redis://127.0.0.1:1/0?foo=bar",
        "redis://127.0.0.1:1/0?foo",
        "redis://127.0.0.1:1/0?retry=3",
        "redis://127.0.0.1:1/0?credential_provider=x",
        "redis://127.0.0.1:1/0?decode_responses=yes",
        "unix:///nowhere.sock?foo=bar",
    ],
)
def test_an_option_that_there_is_not_is_said_so_before_anything_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match=r"of (127\.0\.0\.1:1|/nowhere\.sock) has a wrong option"):
        RedisServer(url)


def test_no_connection_is_used_up_by_looking_at_the_options() -> None:
    with pytest.raises(TransportError, match=r"127\.0\.0\.1.* refused"):
        RedisServer("redis://127.0.0.1:1/0?max_connections=1")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://mien:s3cr3t@host/0", "has to begin with redis://, rediss://, unix://"),
        ("redis://mien:pa/s3cr3t@host", "/ is written as %2F"),
        ("redis://mien:p#s3cr3t@host", "# as %23"),
        ("rediss://mien:p?s3cr3t@host", "? as %3F"),
        ("redis://mien:p[s3cr3t@host", "[ as %5B"),
        ("unix://mien:pa/s3cr3t@/run/redis.sock", "/ is written as %2F"),
        ("redis://[::1", "is no address"),
        ("redis://localhost:99999", "a number from 1 to 65535"),
        ("redis://localhost:0/0", "a number from 1 to 65535"),
        ("redis://mien:s3cr3t", "a number from 1 to 65535"),
        ("redis://mien:s3cr3t@host:6379/xyz", "has a wrong database: it is a number"),
        ("redis://host/0/1", "has a wrong database: it is a number"),
        ("redis://host/-1", "has a wrong database: it is a number"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_without_its_password(url: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        address_of(url)
    told = str(caught.value)
    assert told.startswith("MIEN_REDIS_URL (or --redis-url) ")
    assert words in told
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://", "localhost:6379"),
        ("redis://host", "host:6379"),
        ("redis://host/", "host:6379"),
        ("rediss://mien:pa%2Fs%23s@host:6380/12/", "host:6380"),
        ("redis://mien:p@ss@host:65535/0?socket_timeout=3", "host:65535"),
        ("unix:///run/re%20dis.sock?db=1&password=a@b", "/run/re dis.sock"),
        ("unix://mien:word@/run/@redis", "/run/@redis"),
    ],
)
def test_of_an_address_host_and_port_are_shown(url: str, name: str) -> None:
    assert address_of(url) == name
