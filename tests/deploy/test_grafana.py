"""The dashboard, read and not shown: Grafana is not needed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.metrics import METRICS
from tests.deploy.promtool import labels_in, metrics_in, parsed
from tests.deploy.test_prometheus import SERIES, TARGETS, rules

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

WIDTH = 24
QUESTIONS = (
    "Are the cameras up?",
    "How late are we?",
    "Where is the bottleneck?",
    "Do I need another analyzer?",
    "What do people look like right now?",
)


@pytest.fixture(scope="module")
def dashboard(deploy: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((deploy / "grafana/dashboards/mien.json").read_text())
    return loaded


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    """As Prometheus gets them."""
    texts = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    texts += [one["expr"] for one in dashboard["annotations"]["list"]]
    for text in texts:
        yield text.replace("$__rate_interval", "1m").replace("$job_id", ".*")


def test_queries_can_be_parsed(dashboard: dict[str, Any], tmp_path: Path) -> None:
    asked = list(queries(dashboard))
    assert len(asked) > 25
    assert parsed(asked, tmp_path) == ""
    assert parsed(["sum(mien_jobs"], tmp_path) != ""


def test_queries_ask_for_metrics_that_workers_have(dashboard: dict[str, Any], deploy: Path) -> None:
    known = set(SERIES) | {rule["record"] for rule in rules(deploy, "record")}
    for query in queries(dashboard):
        assert metrics_in(query) <= known, query
        for metric, labels in labels_in(query).items():
            assert labels <= {*SERIES[metric].labels, *TARGETS}, query


def test_every_metric_can_be_seen_or_raises_an_alarm(
    dashboard: dict[str, Any], deploy: Path
) -> None:
    texts = [*queries(dashboard)]
    texts += [rule["expr"] for kind in ("alert", "record") for rule in rules(deploy, kind)]
    used = {name for text in texts for name in metrics_in(text)}
    unseen = {metric.name for metric in METRICS if not used & set(metric.series)}
    assert unseen <= {"mien_worker_info", "mien_queue_streams"}


def test_legends_use_labels_that_the_query_keeps(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
                kept = {name.strip() for group in grouped for name in group.split(",")}
                recorded = ":" in target["expr"] or "busy_ratio" in target["expr"]
                assert label in kept or recorded, target["expr"]


def test_it_answers_the_questions_of_an_operator_in_their_order(dashboard: dict[str, Any]) -> None:
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert tuple(rows[: len(QUESTIONS)]) == QUESTIONS


def test_every_panel_says_what_it_shows_and_in_which_unit(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        assert panel["description"], panel["title"]
        own_unit = panel["type"] in ("table", "heatmap", "state-timeline")
        assert own_unit or panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_panels_lie_side_by_side(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]
    height = max(y for _, y in taken) + 1
    assert len(taken) == WIDTH * height  # and leave no hole
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)


def test_it_is_provisioned_with_the_source_that_it_asks(
    dashboard: dict[str, Any], deploy: Path
) -> None:
    folder = deploy / "grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    for panel in panels(dashboard):
        assert panel["datasource"]["uid"] == sources[0]["uid"]
    provider = yaml.safe_load((folder / "dashboards/mien.yml").read_text())["providers"][0]
    from tests.deploy.test_compose import deployment

    grafana = deployment(gpu=False)["services"]["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (deploy / "grafana/dashboards" / Path(home).name).is_file()
