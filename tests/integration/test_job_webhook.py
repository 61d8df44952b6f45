"""Who asked to be told of a job's end is told, once he listens."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from mien.contract.errors import JobError
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs import horse, webhook
from mien.jobs.queue import Jobs
from mien.jobs.record import JobRecord, failed
from mien.jobs.store import PENDING_S

ENDED = JobRecord("a1", {"source": "a.mp4"}, state="finished", exit_code=0)


class Hook(HTTPServer):
    """Remembers what it is told; gives the answers one after another, the last for ever."""

    def __init__(self, *answers: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.told: list[Any] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(self.headers["Content-Type"], json.loads(body))

    def do_GET(self) -> None:
        self._answer("GET", None)

    def _answer(self, *told: object) -> None:
        answers = self.server.answers
        self.server.told.append(told)
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def listening(*answers: int) -> Iterator[Hook]:
    with Hook(*answers) as hook:
        thread = threading.Thread(target=hook.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield hook
        finally:
            hook.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.jobs.webhook.PAUSE_S", 0.01)


def told(record: JobRecord) -> tuple[str, object]:
    return "application/json", json.loads(json.dumps(record.status()))


def test_a_webhook_is_told_how_a_job_has_ended_until_it_listens(jobs: Jobs, tmp_path: Path) -> None:
    with listening(503, 200) as hook:
        request = RunRequest(str(tmp_path / "missing.mp4"), AnalysisRequest())
        jobs.submit(request, job="a", webhook=hook.address)
        horse.run("a")
        ended = jobs.find("a")
    assert hook.told == [told(ended)] * 2


def test_who_finds_a_job_forgotten_tells_its_webhook_once(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    with listening(200) as hook:
        request = RunRequest(str(clip), AnalysisRequest())
        jobs.submit(request, job="a", webhook=hook.address)
        client.delete("rq:job:a", "rq:queue:mien-streams")
        client.expire("mien:job:a", PENDING_S - 11)
        ended = jobs.find("a")
        assert (ended.state, jobs.all()) == ("failed", [ended])
    assert hook.told == [told(ended)]


def test_a_job_that_two_give_up_is_told_once(jobs: Jobs, clip: Path) -> None:
    with listening(200) as hook:
        request = RunRequest(str(clip), AnalysisRequest())
        record, _ = jobs.submit(request, job="a", webhook=hook.address)
        for time_s in (1.0, 2.0):
            horse.end(jobs.store, failed(record, "given up", JobError.exit_code, time_s))
        assert jobs.find("a").ended_s == 1.0
    assert len(hook.told) == 1


@pytest.mark.parametrize("answer", [301, 302, 303, 307])
def test_a_redirection_is_no_delivery(answer: int) -> None:
    with listening(answer) as hook:
        assert not webhook.call_webhook(replace(ENDED, webhook=hook.address))
    assert hook.told == [told(ENDED)] * webhook.ATTEMPTS


def test_a_port_that_speaks_another_protocol_is_no_delivery_and_no_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            for _ in range(webhook.ATTEMPTS):
                client, _ = listener.accept()
                with client:
                    client.sendall(b"220 mail.example ESMTP\r\n")
                    client.recv(65536)

        thread = threading.Thread(target=greet)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert not webhook.call_webhook(replace(ENDED, webhook=address))
        thread.join()


def test_an_address_of_an_older_record_that_cannot_be_asked_is_no_failure() -> None:
    for address in ("http://a:b/", "http://127.0.0.1/a b"):
        assert not webhook.call_webhook(replace(ENDED, webhook=address))
