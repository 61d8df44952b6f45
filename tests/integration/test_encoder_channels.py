"""Sound whose channels are in an order of the file's own."""

import struct
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.integration.test_encoder_audio import make_source

RIGHT_LEFT = b"".join(struct.pack(">II3f", label, 0, 0, 0, 0) for label in (2, 1))
"""Of QuickTime's channel descriptions: right, then left."""
AROUND = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
"""The boxes in which that of the sound lies, from without."""


def exchanged(path: Path) -> Path:
    """The same file, its two channels said to be right and left."""
    content = bytearray(path.read_bytes())
    begin = content.index(b"chan") - 4
    (size,) = struct.unpack_from(">I", content, begin)
    box = b"chan" + struct.pack(">IIII", 0, 0, 0, 2) + RIGHT_LEFT
    content[begin : begin + size] = struct.pack(">I", len(box) + 4) + box
    places = [content.rindex(name, 0, begin) - 4 for name in AROUND]
    entry = places[-1] + 16  # the sound's own description, behind the head of stsd
    for place in (*places, entry):
        (old,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", content, place, old + len(box) + 4 - size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("extension", "audio"),
    [("webm", []), ("mp4", []), ("mov", ["pcm_s16le copied"]), ("mkv", ["pcm_s16le copied"])],
)
def test_an_order_of_the_files_own_ends_no_process(
    tmp_path: Path, extension: str, audio: list[str]
) -> None:
    source = exchanged(make_source(tmp_path / "in.mov", "pcm_s16le", layout="stereo"))
    target = tmp_path / f"out.{extension}"
    script = (
        "import sys; from pathlib import Path; "
        "from tests.integration.test_encoder_audio import remake; "
        "print(remake(*map(Path, sys.argv[1:])).audio)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{audio}\n"), done.stderr
    with av.open(str(target)) as file:
        assert len(file.streams.audio) == len(audio)
