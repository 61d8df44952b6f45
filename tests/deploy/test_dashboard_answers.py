"""A real Prometheus with the committed rules answers every question of the dashboard."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mien.metrics import METRICS, Metric
from tests.monitoring import Prometheus
from tests.waiting import wait_for

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

VALUES = {
    "job": ("door", "hall"), "state": ("muxed-analysed", "dropped", "running"), "output": ("1",),
    "reason": ("", "late"), "expression": ("happy", "sad"), "stage": ("decode", "encode"),
    "kind": ("live", "file"),
}  # fmt: skip


class Invented(Collector):
    """Every metric of mien, two series a label, as two workers of a kind might tell them."""

    def __init__(self) -> None:
        self._asked = 0

    def collect(self) -> Iterator[Family]:
        self._asked += 1
        for metric in METRICS:
            yield self._family(metric)

    def describe(self) -> list[Family]:
        return []

    def _family(self, metric: Metric) -> Family:
        labels = {tuple(value_of(name, number) for name in metric.labels) for number in range(2)}
        if metric.kind == "histogram":
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for values in labels:
                buckets = [(str(float(end)), self._asked) for end in metric.bounds]
                histogram.add_metric(values, [*buckets, ("+Inf", self._asked)], self._asked)
            return histogram
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = kind(metric.name, metric.help, labels=metric.labels)
        for values in labels:
            family.add_metric(values, self._asked if metric.kind == "counter" else 1)
        return family


def value_of(label: str, number: int) -> str:
    values = VALUES.get(label, ("x",))
    return values[number % len(values)]


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are no news."""


@pytest.fixture
def worker_port() -> Iterator[int]:
    registry = CollectorRegistry()
    registry.register(Invented())
    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def all_rules(deploy: Path) -> str:
    files = sorted((deploy / "prometheus/rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return str(yaml.safe_dump({"groups": groups}))


def questions(deploy: Path) -> list[tuple[str, str]]:
    dashboard = json.loads((deploy / "grafana/dashboards/mien.json").read_text())
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$job_id", ".*"))
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def test_every_query_of_the_dashboard_has_an_answer(
    deploy: Path, worker_port: int, tmp_path: Path
) -> None:
    targets = {"mien-analyzer": [worker_port], "mien-stream": [worker_port]}
    with Prometheus(tmp_path / "prometheus", targets, all_rules(deploy)) as prometheus:
        asked = questions(deploy)
        wait_for(lambda: prometheus.ask("mien:capture_to_result_seconds:p95_5m > 0"))
        without = [title for title, query in asked if not prometheus.ask(query)]
    assert without == []
