"""docker-compose.yml and what overrides it. Docker itself is not needed, and not asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from mien.analyzer_worker import DRAIN_S
from mien.cores import usable_cores
from mien.monitoring.server import FIRST_PORT
from tests.conftest import REPOSITORY
from tests.deploy import composing, interface

VARIABLES = {"MIEN_REDIS_PASSWORD": "a1", "MIEN_SECRET": "b2", "GRAFANA_PASSWORD": "c3"}
PLAIN, GPU = REPOSITORY / "docker-compose.yml", REPOSITORY / "docker-compose.gpu.yml"
FOLDERS = ("./input", "./output")
"""Where a user's files lie; a volume would begin empty, with no way to put a clip into it."""
OURS = ("analyzer", "stream", "mien")


def deployment(*, gpu: bool) -> dict[str, Any]:
    plain = composing.load(PLAIN, VARIABLES)
    return composing.overridden(plain, composing.load(GPU, VARIABLES)) if gpu else plain


@pytest.fixture(params=[False, True], ids=["cpu", "gpu"])
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    return deployment(gpu=request.param)


def test_the_files_keep_to_the_compose_specification(compose: dict[str, Any]) -> None:
    specification = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    specification.PyCompose.from_json(json.dumps(compose)).validate()


def test_the_check_against_the_specification_sees_a_wrong_key() -> None:
    specification = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    wrong = deployment(gpu=False)
    wrong["services"]["redis"]["healthchek"] = {}
    with pytest.raises(ValueError, match="healthchek"):
        specification.PyCompose.from_json(json.dumps(wrong))


@pytest.mark.parametrize("missing", VARIABLES)
def test_nothing_starts_without_its_secrets(missing: str) -> None:
    with pytest.raises(composing.MissingVariableError, match=missing):
        composing.load(PLAIN, {**VARIABLES, missing: ""})


def test_every_variable_of_the_files_is_explained_and_the_other_way_round() -> None:
    text = PLAIN.read_text() + GPU.read_text()
    example = (REPOSITORY / "deploy/docker/env.example").read_text()
    explained = {line.lstrip("#").partition("=")[0] for line in example.splitlines() if "=" in line}
    ports = {name for name in composing.variables_of(text) if name.endswith("_PORT")}
    assert composing.variables_of(text) - ports == explained


def test_workers_are_started_as_the_command_line_knows_it(compose: dict[str, Any]) -> None:
    for name in ("analyzer", "stream"):
        interface.parse(compose["services"][name]["command"])


def test_containers_are_given_variables_that_somebody_reads(compose: dict[str, Any]) -> None:
    for name in OURS:
        given = set(compose["services"][name]["environment"])
        assert given <= interface.variables(), name
    start = (REPOSITORY / "deploy/redis/start.sh").read_text()
    assert all(name in start for name in compose["services"]["redis"]["environment"])


def test_services_that_are_scaled_have_no_name_and_no_port_of_the_host(
    compose: dict[str, Any],
) -> None:
    for name in ("analyzer", "stream"):
        assert not {"ports", "container_name"} & set(compose["services"][name])


def test_analyzers_do_not_take_each_others_cores(compose: dict[str, Any], tmp_path: Path) -> None:
    """`--scale` starts several on one machine, and each asks its own limit for its threads."""
    cpus = float(compose["services"]["analyzer"]["cpus"])
    quota = tmp_path / "cpu.max"  # as Docker writes it
    quota.write_text(f"{round(cpus * 100_000)} 100000\n")
    assert usable_cores(quota) <= cpus
    given = composing.load(PLAIN, {**VARIABLES, "MIEN_ANALYZER_CPUS": "1.5"})
    assert given["services"]["analyzer"]["cpus"] == "1.5"


def test_what_is_published_is_for_this_machine_alone(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_redis_and_analyzers_are_on_a_network_that_leads_nowhere(compose: dict[str, Any]) -> None:
    assert compose["networks"]["work"]["internal"] is True
    assert compose["services"]["redis"]["networks"] == ["work"]
    assert compose["services"]["analyzer"]["networks"] == ["work"]


def test_who_may_tell_a_webhook_has_a_way_out(compose: dict[str, Any]) -> None:
    for name in ("stream", "mien"):
        assert set(compose["services"][name]["networks"]) == {"work", "outside"}


def test_metrics_are_served_where_prometheus_looks(compose: dict[str, Any], deploy: Path) -> None:
    import yaml

    scraped = yaml.safe_load((deploy / "prometheus/prometheus.yml").read_text())
    found = {
        (name, lookup["port"])
        for job in scraped["scrape_configs"]
        for lookup in job.get("dns_sd_configs", [])
        for name in lookup["names"]
    }
    assert found == {("analyzer", FIRST_PORT), ("stream", FIRST_PORT)}
    for name, port in found:
        assert compose["services"][name]["environment"]["MIEN_METRICS_PORT"] == str(port)
        shared = set(compose["services"][name]["networks"])
        assert shared & set(compose["services"]["prometheus"]["networks"])


def test_a_stopped_analyzer_has_the_time_to_drain(compose: dict[str, Any]) -> None:
    grace = compose["services"]["analyzer"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > DRAIN_S


def test_containers_have_no_rights_to_spare(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name != "grafana":  # it writes into its own folders
            assert service["read_only"] is True, name


def test_all_but_the_bare_images_say_how_they_are(compose: dict[str, Any]) -> None:
    without = {
        name for name, service in compose["services"].items() if "healthcheck" not in service
    }
    assert without == {"analyzer", "stream", "mediamtx"}  # the first two have the image's


def test_roots_are_the_folders_that_are_mounted(compose: dict[str, Any]) -> None:
    stream = compose["services"]["stream"]
    mounted = {volume.split(":")[1]: volume for volume in stream["volumes"]}
    assert mounted[stream["environment"]["MIEN_INPUT_ROOT"]].endswith(":ro")
    assert stream["environment"]["MIEN_OUTPUT_ROOT"] in mounted
    assert {volume.split(":")[0] for volume in stream["volumes"]} == set(FOLDERS)
    assert compose["services"]["mien"]["volumes"] == stream["volumes"]


def test_files_that_are_mounted_are_there_or_made_before(compose: dict[str, Any]) -> None:
    quick_start = (REPOSITORY / "docs/operation.md").read_text()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source in FOLDERS:
                assert f"mkdir -p {' '.join(f.removeprefix('./') for f in FOLDERS)}" in quick_start
            elif source.startswith("./"):
                assert (REPOSITORY / source).is_dir(), volume
            else:
                assert source in compose["volumes"]


def test_images_have_a_version(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        name, _, tag = service["image"].partition(":")
        assert name
        assert tag not in ("", "latest")
