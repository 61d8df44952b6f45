"""Which failures of a server pass, so that it is waited for, and which addresses are none."""

import pytest
import redis
from redis.exceptions import OutOfMemoryError

from mien.contract.errors import TransportError, UsageError
from mien.transport.redis_server import RedisServer, is_passing

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
        "unix:///nowhere.sock?foo=bar",
    ],
)
def test_an_option_that_there_is_not_is_said_so_before_anything_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match=r"of (127\.0\.0\.1:1|/nowhere\.sock) has a wrong option"):
        RedisServer(url)


def test_no_connection_is_used_up_by_looking_at_the_options() -> None:
    with pytest.raises(TransportError, match="cannot reach the server at 127"):
        RedisServer("redis://127.0.0.1:1/0?max_connections=1")
