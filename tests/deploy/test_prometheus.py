"""Scrape configurations, rules and their tests, with Prometheus' own checker."""

from pathlib import Path
from typing import Any

import pytest

from mien.metrics import METRICS
from tests.conftest import REPOSITORY
from tests.deploy.promtool import labels_in, metrics_in, promtool

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

SERIES = {name: metric for metric in METRICS for name in metric.series}
TARGETS = {"job", "instance", "exported_job", "le"}
"""Labels that Prometheus adds, or gives another name."""


def rules(deploy: Path, kind: str) -> list[dict[str, Any]]:
    """All rules that alert, or all that record."""
    return [
        rule
        for path in sorted((deploy / "prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if kind in rule
    ]


def test_promtool_accepts_the_configuration_and_the_rules(deploy: Path) -> None:
    done = promtool("check", "config", deploy / "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_configuration_for_kubernetes(deploy: Path, tmp_path: Path) -> None:
    """Debian's Prometheus knows no Kubernetes, so the search for pods is taken out for it."""
    configuration = yaml.safe_load((deploy / "prometheus/kubernetes.yml").read_text())
    for job in configuration["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs")[0]["namespaces"] == {"names": ["mien"]}
    configuration["rule_files"] = [str(deploy / "prometheus/rules/*.yml")]
    path = tmp_path / "kubernetes.yml"
    path.write_text(yaml.safe_dump(configuration))
    done = promtool("check", "config", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_do_what_their_tests_say(deploy: Path) -> None:
    done = promtool("test", "rules", *sorted((deploy / "prometheus/tests").glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_goes_off(deploy: Path) -> None:
    fired = {
        check["alertname"]
        for path in (deploy / "prometheus/tests").glob("*.yml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for check in test.get("alert_rule_test", [])
        if check["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules(deploy, "alert")}


def test_rules_ask_for_metrics_that_workers_have(deploy: Path) -> None:
    recorded = {rule["record"] for rule in rules(deploy, "record")}
    for rule in [*rules(deploy, "record"), *rules(deploy, "alert")]:
        unknown = metrics_in(rule["expr"]) - set(SERIES) - recorded
        assert not unknown, rule
        for metric, labels in labels_in(rule["expr"]).items():
            assert labels <= {*SERIES[metric].labels, *TARGETS}, rule


def test_tests_of_rules_use_series_that_workers_have(deploy: Path) -> None:
    for path in (deploy / "prometheus/tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for series in test["input_series"]:
                name = series["series"].partition("{")[0]
                if name != "up":
                    own = labels_in(series["series"])[name] - TARGETS
                    wanted = set(SERIES[name].labels) - {"job"}
                    assert own == wanted, series["series"]


def test_every_alert_is_explained_on_the_operations_page(deploy: Path) -> None:
    page = (REPOSITORY / "docs/operation.md").read_text()
    headings = {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")}
    alerts = {rule["alert"]: rule for rule in rules(deploy, "alert")}
    assert {heading for heading in headings if heading.startswith("Mien")} == set(alerts)
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook"] == f"docs/operation.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_rules_and_scrapes_agree_on_what_workers_are_called(deploy: Path) -> None:
    compose = yaml.safe_load((deploy / "prometheus/prometheus.yml").read_text())
    names = {job["job_name"] for job in compose["scrape_configs"]}
    assert {"mien-analyzer", "mien-stream"} <= names
    relabelled = yaml.safe_load((deploy / "prometheus/kubernetes.yml").read_text())
    steps = relabelled["scrape_configs"][0]["relabel_configs"]
    job = next(step for step in steps if step.get("target_label") == "job")
    assert job["replacement"] == "mien-$1"
    assert job["source_labels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]
