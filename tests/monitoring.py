"""What a worker tells at its port, as a test reads it."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.servers import free_port

Labels = tuple[tuple[str, str], ...]


def fetch(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(port: int) -> dict[tuple[str, Labels], float]:
    """Every series at a port; none twice, which Prometheus would not take."""
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in parse(fetch(port, "/metrics")[1])
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def total(port: int, name: str, **labels: str) -> float:
    """The sum over all series of a name with these labels."""
    return sum(
        value
        for (found, given), value in samples(port).items()
        if found == name and set(labels.items()) <= set(given)
    )


class Prometheus:
    """A real one, in a folder of its own, that looks every second."""

    def __init__(self, folder: Path, targets: Mapping[str, list[int]], rules: str) -> None:
        """targets: ports by the name of their scrape job."""
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("there is no prometheus on this machine (Debian: apt install prometheus)")
        self.port = free_port()
        folder.mkdir()
        (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(_config(targets))
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=folder, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 20
        while not self._is_ready():
            assert self._process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "Prometheus is not ready"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, query: str) -> list[float]:
        """The values that a query gives now."""
        plain = self._get("query?" + urllib.parse.urlencode({"query": query}))
        assert plain["status"] == "success", plain
        return [float(one["value"][1]) for one in plain["data"]["result"]]

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self._get("alerts")["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def _get(self, what: str) -> Any:
        return json.loads(fetch(self.port, f"/api/v1/{what}")[1])

    def _is_ready(self) -> bool:
        with suppress(OSError):
            return fetch(self.port, "/-/ready")[0] == 200
        return False


def _config(targets: Mapping[str, list[int]]) -> str:
    lines = ["global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}"]
    lines += ["rule_files: [rules.yml]", "scrape_configs:"]
    for job, ports in targets.items():
        places = ", ".join(f"'127.0.0.1:{port}'" for port in ports)
        lines.append(f"- {{job_name: {job}, static_configs: [{{targets: [{places}]}}]}}")
    return "\n".join(lines) + "\n"
