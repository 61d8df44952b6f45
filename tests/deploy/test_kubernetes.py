"""Objects for Kubernetes against its own schemas, and against mien. No cluster is asked."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.analyzer_worker import DRAIN_S
from tests.deploy import interface

Objects = list[dict[str, Any]]


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    return next(o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)


def is_patch(one: dict[str, Any]) -> bool:
    return one["kind"] == "Deployment" and "selector" not in one["spec"]


def pods(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pod specifications by what they belong to; patches are none."""
    for one in objects:
        if one["kind"] in ("Deployment", "StatefulSet") and not is_patch(one):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def workers(objects: Objects) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, pod and container of each kind of worker."""
    for name, pod in pods(objects):
        if name in ("analyzer", "stream"):
            yield name, pod, pod["containers"][0]


def validated(one: dict[str, Any]) -> None:
    library = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    library.validate(one, "1.32", strict=True)


def test_objects_keep_to_the_schemas_of_kubernetes(manifests: Objects) -> None:
    checked = [one for one in manifests if one["kind"] != "ScaledObject" and not is_patch(one)]
    assert len(checked) > 12
    for one in checked:
        validated(one)


def test_the_check_against_the_schemas_sees_a_wrong_key(manifests: Objects) -> None:
    library = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    analyzer = named(manifests, "Deployment", "analyzer")
    wrong = {**analyzer, "spec": {**analyzer["spec"], "replica": 2}}
    with pytest.raises(library.ValidationError):
        validated(wrong)


def test_kustomize_puts_everything_together(deploy: Path) -> None:
    import yaml

    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("there is no kubectl on this machine")
    done = subprocess.run(
        [program, "kustomize", deploy / "kubernetes"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    for one in objects:
        if one["kind"] != "ScaledObject":
            validated(one)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "mien"
    settings = next(one for one in objects if one["kind"] == "ConfigMap")
    redis = named(objects, "StatefulSet", "redis")["spec"]["template"]["spec"]
    mounted = [v["configMap"]["name"] for v in redis["volumes"] if "configMap" in v]
    assert mounted == [settings["metadata"]["name"]]


def test_every_file_is_part_of_a_kustomization(deploy: Path) -> None:
    import yaml

    for folder in ("base", "keda", "gpu"):
        files = {path.name for path in (deploy / "kubernetes" / folder).glob("*.yaml")}
        listed = yaml.safe_load((deploy / "kubernetes" / folder / "kustomization.yaml").read_text())
        patches = {patch["path"] for patch in listed.get("patches", [])}
        assert files - {"kustomization.yaml"} <= {*listed.get("resources", []), *patches}


def test_workers_are_started_as_the_command_line_knows_it(manifests: Objects) -> None:
    started = [
        container["args"]
        for one in manifests
        if one["kind"] == "Deployment"
        for container in one["spec"]["template"]["spec"]["containers"]
    ]
    assert len(started) == 3  # one of them is the patch for GPUs
    for arguments in started:
        interface.parse(arguments)


def test_containers_are_given_variables_that_somebody_reads(manifests: Objects) -> None:
    for name, _, container in workers(manifests):
        given = {variable["name"] for variable in container["env"]}
        assert given - {"MIEN_REDIS_PASSWORD"} <= interface.variables(), name
        url = next(v["value"] for v in container["env"] if v["name"] == "MIEN_REDIS_URL")
        assert "$(MIEN_REDIS_PASSWORD)" in url


def test_secrets_stand_in_no_file(manifests: Objects) -> None:
    assert not [one for one in manifests if one["kind"] == "Secret"]
    for _, pod in pods(manifests):
        for variable in pod["containers"][0]["env"]:
            if variable["name"] in ("MIEN_REDIS_PASSWORD", "MIEN_SECRET"):
                assert variable["valueFrom"]["secretKeyRef"]["name"] == "mien"


def test_probes_and_scrapes_go_to_the_port_that_is_served(manifests: Objects) -> None:
    for name, _, container in workers(manifests):
        port = next(v["value"] for v in container["env"] if v["name"] == "MIEN_METRICS_PORT")
        assert container["ports"] == [{"name": "metrics", "containerPort": int(port)}]
        notes = named(manifests, "Deployment", name)["spec"]["template"]["metadata"]["annotations"]
        assert notes["prometheus.io/port"] == port
        for probe, path in (
            ("startup", "/healthz"),
            ("liveness", "/healthz"),
            ("readiness", "/readyz"),
        ):
            assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "metrics"}


def test_an_analyzer_has_the_time_to_drain(manifests: Objects) -> None:
    pod = dict(pods(manifests))["analyzer"]
    assert pod["terminationGracePeriodSeconds"] > DRAIN_S + 5


def test_a_stream_worker_is_asked_twice_and_has_time_after_each(manifests: Objects) -> None:
    pod = dict(pods(manifests))["stream"]
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    assert command.startswith("kill -TERM 1 && sleep ")
    waited_s = int(command.rpartition(" ")[2])
    assert waited_s >= 600
    assert pod["terminationGracePeriodSeconds"] - waited_s >= 60


def test_containers_have_no_rights_to_spare(manifests: Objects) -> None:
    for name, pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= set(container["resources"])


def test_volumes_that_are_mounted_are_there(manifests: Objects) -> None:
    claims = {o["metadata"]["name"] for o in manifests if o["kind"] == "PersistentVolumeClaim"}
    for name, pod in pods(manifests):
        templates = named(manifests, "StatefulSet", "redis")["spec"]["volumeClaimTemplates"]
        own = {t["metadata"]["name"] for t in templates} if name == "redis" else set()
        volumes = {volume["name"] for volume in pod["volumes"]} | own
        assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == volumes
        claimed = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"]
                   if "persistentVolumeClaim" in v]  # fmt: skip
        assert set(claimed) <= claims


def test_policies_name_workers_and_ports_that_are_there(manifests: Objects) -> None:
    components = {name for name, _ in pods(manifests)}
    policies = [one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"]
    assert any(p["podSelector"] == {} and len(p["policyTypes"]) == 2 for p in policies)
    for policy in policies:
        chosen = policy["podSelector"].get("matchExpressions", [])
        assert all(set(expression["values"]) <= components for expression in chosen)
        assert set(policy["podSelector"].get("matchLabels", {}).values()) <= components


def test_the_autoscaler_scales_what_is_there_by_metrics_that_are_there(manifests: Objects) -> None:
    from mien.metrics import METRICS
    from tests.deploy.promtool import metrics_in

    scaled = named(manifests, "ScaledObject", "analyzer")
    assert scaled["apiVersion"] == "keda.sh/v1alpha1"
    spec = scaled["spec"]
    target = named(manifests, "Deployment", spec["scaleTargetRef"]["name"])
    assert "replicas" not in target["spec"]  # or each apply would undo what was scaled
    assert spec["minReplicaCount"] < spec["maxReplicaCount"]
    series = {name for metric in METRICS for name in metric.series}
    for trigger in spec["triggers"]:
        assert trigger["type"] == "prometheus"
        assert float(trigger["metadata"]["threshold"]) > 0
        assert metrics_in(trigger["metadata"]["query"])
        assert metrics_in(trigger["metadata"]["query"]) <= series
        # with another kind the fallback would be refused
        assert trigger["metricType"] == "AverageValue"


def test_the_autoscaler_is_written_as_keda_reads_it(manifests: Objects) -> None:
    """KEDA's own schema is in no package, so its fields are named here."""
    spec = named(manifests, "ScaledObject", "analyzer")["spec"]
    assert set(spec) <= {
        "scaleTargetRef", "pollingInterval", "initialCooldownPeriod", "cooldownPeriod",
        "idleReplicaCount", "minReplicaCount", "maxReplicaCount", "advanced", "triggers",
        "fallback",
    }  # fmt: skip
    assert set(spec["fallback"]) == {"failureThreshold", "replicas", "behavior"}
    names = [trigger["name"] for trigger in spec["triggers"]]
    assert len(set(names)) == len(names)
    for trigger in spec["triggers"]:
        assert set(trigger) == {"type", "name", "metricType", "metadata"}
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "analyzer"},
        "spec": {
            "maxReplicas": spec["maxReplicaCount"],
            "scaleTargetRef": {"kind": "Deployment", **spec["scaleTargetRef"]},
            "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        },
    }
    validated(scaler)
