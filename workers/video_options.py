"""From one preset and one quality to the options that each FFmpeg encoder understands."""

from __future__ import annotations

from mien.contract.errors import check_range, unknown_choice

_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
"""x264's names, fastest first; its scale of quality is taken for all encoders, too."""

_LARGEST_CRF = 51
_BEST = 1
"""For encoders that take 0 for `not given`: SVT-AV1 and NVENC."""


def encoder_options(encoder: str, preset: str, crf: int) -> dict[str, str]:
    """Options that make `encoder` work about as x264 would with this preset and crf.

    Raises:
        UsageError: There is no such preset or crf.
    """
    check_range("crf", crf, 0, _LARGEST_CRF)
    if encoder.endswith("_nvenc") and preset in {f"p{step}" for step in range(1, 8)}:
        return _nvenc(preset, crf)
    if preset not in _PRESETS:
        raise unknown_choice("preset", preset, _PRESETS)
    speed = _PRESETS.index(preset)
    if encoder.endswith("_nvenc"):
        return _nvenc(f"p{min(7, speed + 1)}", crf)
    if encoder == "libx264":
        return {"preset": preset, "crf": str(crf)}
    if encoder == "libx265":
        return {"preset": preset, "crf": str(crf), "x265-params": "log-level=error"}
    if encoder == "libsvtav1":
        return {"preset": str(max(1, 12 - speed)), "crf": _on_63(max(_BEST, crf))}
    if encoder.startswith("libvpx"):
        return _vpx(speed, crf)
    return {}


def low_delay_options(encoder: str) -> dict[str, str]:
    """Options on top of those, with which `encoder` gives every picture at once."""
    if encoder in ("libx264", "libx265"):
        return {"tune": "zerolatency", "forced-idr": "1"}
    if encoder.endswith("_nvenc"):
        return {"tune": "ll", "zerolatency": "1", "delay": "0", "forced-idr": "1"}
    if encoder == "libsvtav1":
        return {"svtav1-params": "pred-struct=1"}
    if encoder.startswith("libvpx"):
        return {"deadline": "realtime", "lag-in-frames": "0"}
    return {}


def quantiser(crf: int) -> int:
    """MPEG-2's and MPEG-4's quantiser, 1 (best) to 31, that looks about like x264's crf."""
    return max(1, min(31, (crf - 12) // 2))


def _nvenc(preset: str, crf: int) -> dict[str, str]:
    return {"preset": preset, "rc": "vbr", "cq": str(max(_BEST, crf))}


def _vpx(speed: int, crf: int) -> dict[str, str]:
    effort = max(0, 8 - speed)
    # the good deadline stops at 5; beyond it only real time is faster
    deadline = "realtime" if effort > 5 else "good"
    threads = {"row-mt": "1", "tile-columns": "2"}
    return {"deadline": deadline, "cpu-used": str(effort), "crf": _on_63(crf), "b": "0", **threads}


def _on_63(crf: int) -> str:
    """The same quality on the scale of VP9 and AV1."""
    return str(round(crf * 63 / _LARGEST_CRF))
