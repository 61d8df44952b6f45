"""Help and version are there at once, and without the heavy parts."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model.weights_file import load_weights, read_info
from tests.conftest import REPOSITORY

BLOCKED = "torch torchvision av cv2 numpy pandas facenet_pytorch safetensors PIL rich redis rq "
BLOCKED += "prometheus_client"

START = f"""
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED.split()!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
from mien.cli import main
sys.argv[0] = "mien"
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_five_packages_and_the_weights_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    metadata = {top for top in tops if top.endswith(".dist-info")}
    assert tops - metadata == {"mien", "producer", "workers", "model", "training"}
    weights = [name for name in names if name.endswith(".safetensors")]
    shipped = (REPOSITORY / "model" / "weights").glob("*.safetensors")
    assert sorted(weights) == sorted(f"model/weights/{path.name}" for path in shipped)
    assert weights
    kinds = {Path(name).suffix for name in names if name.split("/")[0] not in metadata}
    assert kinds <= {".py", ".typed", ".safetensors", ".toml", ".md"}


@pytest.mark.parametrize(("name", "parameters"), [("vgg19", 20_037_831), ("small", 3_381_127)])
def test_the_weights_in_the_wheel_load_and_match_their_digest(
    wheel: Path, tmp_path: Path, name: str, parameters: int
) -> None:
    member = f"model/weights/{name}.safetensors"
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(member, tmp_path)
    network, info = load_weights(tmp_path / member)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert info.architecture == name
    assert info.tensor_sha256 == read_info(name).tensor_sha256
    assert set(info.temperatures) == {"single", "flip", "ten-crop"}


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_the_wheel_answers_without_torch_and_the_like(
    wheel: Path, tmp_path: Path, argument: str
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", START, argument],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "mien" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["train", "--help"]])
def test_help_imports_neither_torch_nor_av(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mien.cli", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"torch", "av", "numpy", "pandas", "cv2"}
    assert "Usage:" in done.stdout


def test_what_nobody_reads_ends_as_a_shell_says_of_it() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "mien.cli", "--help"], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
