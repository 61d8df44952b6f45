"""The smaller commands, and how errors are told."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.vgg import VGG
from model.weights_file import read_info
from tests.e2e.conftest import Mien
from tests.faces import make_face_clip


def test_a_checkpoint_of_the_common_scripts_becomes_weights(mien: Mien, tmp_path: Path) -> None:
    model = VGG("vgg11")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    checkpoint = {"epoch": 7, "model_weights": model.state_dict(), "optimizer": optimizer}
    torch.save(checkpoint, tmp_path / "model_state.pth.tar")
    done = mien("import-checkpoint", "model_state.pth.tar", "-o", "mine.safetensors")
    assert "vgg11" in done.stdout
    assert read_info(tmp_path / "mine.safetensors").architecture == "vgg11"
    assert mien(
        "import-checkpoint", "model_state.pth.tar", "-o", "mine.safetensors", check=False
    ).returncode == 2  # fmt: skip

    make_face_clip(tmp_path / "clip.mp4", frames=5)
    mien("run", "clip.mp4", "--no-video", "--results", "r.csv", "--weights", "mine.safetensors")
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 3


ERRORS = [
    (["run", "nothing.mp4", "-o", "out.mp4"], 3, "nothing.mp4"),
    (["run", "clip.mp4"], 2, "-o OUTPUT"),
    (["run", "clip.mp4", "-o", "out.xyz"], 2, "out.xyz"),
    (["run", "clip.mp4", "-o", "missing/out.mp4"], 2, "missing"),
    (["run", "clip.mp4", "-o", "clip.mp4", "--overwrite"], 2, "input"),
    (["run", "clip.mp4", "-o", "link.mp4", "--overwrite"], 2, "input"),
    (["run", "clip.mp4", "-o", "out.jpg"], 2, "photo"),
    (["run", "clip.mp4", "-o", "a.mp4", "--results", "a.txt"], 2, "a.txt"),
    (["run", "clip.mp4", "-o", "a.mp4", "--fps", "0"], 2, "--fps"),
    (["run", "clip.mp4", "-o", "a.mp4", "--fps", "nan"], 2, "--fps"),
    (["run", "clip.mp4", "-o", "a.mp4", "--fps", "1e9"], 2, "--fps"),
    (["run", "clip.mp4", "-o", "a.mp4", "--encoder", "nonsense"], 2, "nonsense"),
    (["run", "clip.mp4", "-o", "a.mp4", "--preset", "nonsense"], 2, "nonsense"),
    (["run", "clip.mp4", "-o", "a.mp4", "--device", "nonsense"], 2, "nonsense"),
    (["run", "clip.mp4", "-o", "a.mp4", "--weights", "nonsense"], 4, "nonsense"),
    (["run", "clip.mp4", "-o", "a.mp4", "--weights", "clip.mp4"], 4, "clip.mp4"),
    (["bench", "rtsp://127.0.0.1:9/camera"], 2, "cannot be measured"),
    (["evaluate", "--data", "nothing.csv"], 3, "nothing.csv"),
    (["train", "--recipe", "nonsense", "--data", "n.csv", "--out", "run"], 2, "nonsense"),
    (["nonsense"], 2, "nonsense"),
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_face_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=5)


@pytest.mark.parametrize(("arguments", "code", "words"), ERRORS)
def test_an_error_is_one_line_with_its_exit_code_and_nothing_is_left(
    forked: Mien, tmp_path: Path, clip: Path, arguments: list[str], code: int, words: str
) -> None:
    check_error(forked, tmp_path, clip, arguments, code, words)


@pytest.mark.parametrize(("arguments", "code", "words"), ERRORS[::7])
def test_so_it_is_of_a_process_from_its_start_to_its_end(
    mien: Mien, tmp_path: Path, clip: Path, arguments: list[str], code: int, words: str
) -> None:
    check_error(mien, tmp_path, clip, arguments, code, words)


def check_error(
    run: Mien, tmp_path: Path, clip: Path, arguments: list[str], code: int, words: str
) -> None:
    shutil.copy(clip, tmp_path)
    (tmp_path / "link.mp4").symlink_to("clip.mp4")
    before = (tmp_path / "clip.mp4").read_bytes()
    done = run(*arguments, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("mien: ")
    assert words in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "link.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == before


def test_a_machine_is_measured_on_the_users_own_video(mien: Mien, tmp_path: Path) -> None:
    make_face_clip(tmp_path / "clip.mp4", frames=20)
    told = mien("bench", "clip.mp4").stdout
    assert "320x240, 20 frames, 8 faces" in told
    for word in ("frames/s", "decode", "detection", "encode", "classifier", "memory"):
        assert word in told
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_photo_is_not_measured(forked: Mien, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    refused = forked("bench", "photo.png", check=False)
    assert refused.returncode == 2
    assert "a photo cannot be measured" in refused.stderr


def test_a_split_that_is_not_there_is_told_in_one_line(forked: Mien, tmp_path: Path) -> None:
    row = f"3,{' '.join(['7'] * 2304)},PublicTest"
    (tmp_path / "small.csv").write_text(f"emotion,pixels,Usage\n{row}\n")
    done = forked("evaluate", "--data", "small.csv", "--split", "PrivateTest", check=False)
    assert done.returncode == 3
    assert done.stderr == "mien: small.csv has no PrivateTest rows\n"
