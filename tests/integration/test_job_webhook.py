"""Who asked to be told of a job's end is told, once he listens."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs import horse
from mien.jobs.queue import Jobs


class Hook(BaseHTTPRequestHandler):
    """Remembers what it is told; the first time it is out of order."""

    told: list[Any] = []  # noqa: RUF012 - the test's own

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(200 if len(self.told) > 1 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def test_a_webhook_is_told_how_a_job_has_ended_until_it_listens(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.webhook.PAUSE_S", 0.01)
    with HTTPServer(("127.0.0.1", 0), Hook) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        address = f"http://127.0.0.1:{listener.server_port}/hook"
        request = RunRequest(str(tmp_path / "missing.mp4"), AnalysisRequest())
        jobs.submit(request, job="a", webhook=address)
        horse.run("a")
        ended = jobs.find("a")
        listener.shutdown()
        thread.join()
    assert Hook.told == [("application/json", json.loads(json.dumps(ended.status())))] * 2
