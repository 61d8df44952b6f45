"""Options that commands share, and how those of `run` and its kin become a request."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mien.rates import parse_rate

if TYPE_CHECKING:
    from mien.contract.outputs import OutputSettings
    from mien.contract.requests import AnalysisRequest, RunRequest

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator for these options, which the help of a command tells in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


class Rate(click.ParamType[Fraction]):
    """A frame rate: 24, 29.97 or 30000/1001."""

    name = "fps"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            return parse_rate(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class RateOrAll(Rate):
    """A rate, or `all`."""

    name = "fps|all"

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction | None:
        if value is None or str(value).lower() == "all":
            return None
        return super().convert(value, param, ctx)


class Span(click.ParamType[float]):
    """A length of time: 90, 90s, 10m or 2h."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|h|d)?", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a time such as 90, 90s, 10m or 2h", param, ctx)
        return float(match[1]) * _SECONDS[match[2] or "s"]


class Share(click.FloatRange):
    """A finite number in a range: click lets NaN through its own."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


class Target(click.ParamType["Path | str"]):
    """A file, or a URL to publish to."""

    name = "output"
    envvar_list_splitter = "\n"  # names may hold spaces and colons

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        from mien.contract.outputs import parse_target

        return value if isinstance(value, Path) else parse_target(str(value))


DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:N]",
    help="Where the networks run.",
)
BATCH = click.option(
    "--batch",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Most pictures analysed at once.",
)
VIEW_NAMES = click.Choice(["single", "flip", "ten-crop"])
VIEWS = click.option(
    "--views",
    type=VIEW_NAMES,
    default="single",
    show_default=True,
    help="How often each face is looked at: 1, 2 or 10 times.",
)

analysis_options = with_options(
    click.option(
        "--analyze-fps",
        type=RateOrAll(),
        default="10",
        show_default=True,
        metavar="N|all",
        help="Analyses a second; between them boxes are interpolated.",
    ),
    click.option(
        "--analyze-size",
        type=click.IntRange(64, 16384),
        default=1280,
        show_default=True,
        metavar="PX",
        help="Longest side of the picture that is analysed; longer where the smallest face would "
        "have less than 24 px in it (see --min-face).",
    ),
    click.option(
        "--detector",
        type=click.Choice(["mtcnn", "haar"]),
        default="mtcnn",
        show_default=True,
        help="What finds the faces.",
    ),
    click.option(
        "--min-face",
        type=Share(min=12, max=16384),
        metavar="PX",
        help="Smallest face, in pixels of the source.  "
        "[default: 4 % of the shorter side, at least 24]",
    ),
    click.option(
        "--min-confidence",
        type=Share(0, 1),
        default=0.9,
        show_default=True,
        metavar="P",
        help="Faces of which MTCNN is less sure are left out.",
    ),
    click.option(
        "--weights",
        default="default",
        show_default="vgg19",
        metavar="NAME|FILE",
        help="Weights of the classifier: vgg19, small, or a file.",
    ),
    VIEWS,
    click.option(
        "--smoothing",
        type=Share(0, 60),
        default=0.5,
        show_default=True,
        metavar="SECONDS",
        help="How long a face's past counts for the label drawn; 0 turns it off.",
    ),
    click.option(
        "--abstain",
        type=Share(0, 1),
        metavar="P",
        help="Faces whose likeliest expression is less probable are marked as uncertain.",
    ),
    DEVICE,
    BATCH,
    click.option(
        "--window-mb",
        type=click.IntRange(1, 65536),
        metavar="MB",
        help="Memory for frames that wait for their analysis.  [default: 128; up to 512 where "
        "pictures are large, or analyses rare or waited for long]",
    ),
)
"""Which frames are analysed, and how."""

output_options = with_options(
    click.option(
        "--output", "-o", type=Target(), multiple=True, metavar="OUTPUT",
        help="The annotated video or photo; its extension names the kind.  A camera may have "
        "several: files, a playlist (live.m3u8), rtsp:// and rtmp:// to publish to.",
    ),
    click.option("--segment", type=Span(), metavar="TIME",
        help="A camera's file starts anew so often (10m, 90s, 1h), each time under its own name."),

    click.option(
        "--fps", type=Rate(), metavar="R",
        help="Constant rate of the output (24, 29.97, 30000/1001).  "
        "[default: every frame at its own time]",
    ),
    click.option("--results", type=click.Path(path_type=Path), metavar="FILE",
        help="The numbers, as .jsonl, .csv or .parquet."),
    click.option("--report", type=click.Path(path_type=Path), metavar="FILE",
        help="What became of every frame, seconds by stage, settings, hashes; JSON."),
    click.option("--no-video", is_flag=True, help="Write no picture; -o is not needed."),
    click.option("--blur", is_flag=True, help="Hide the faces instead of labelling them."),
    click.option("--encoder", metavar="NAME",
        help="FFmpeg's video encoder (libx264, libx265, ...).  [default: by extension]"),
    click.option("--preset", default="veryfast", show_default=True, help="Speed of the encoder."),
    click.option("--crf", type=click.IntRange(0, 51), default=20, show_default=True,
        help="Quality of the encoder: lower is better and larger."),
    click.option("--overwrite", is_flag=True, help="Replace outputs that are there already."),
    click.option("--max-latency-ms", type=click.IntRange(0, 60_000), default=500,
        show_default=True, metavar="MS",
        help="How long a live picture waits for its analysis at most."),
    click.option("--give-up-after", type=Span(), metavar="TIME",
        help="End when a live source was not to be reached for so long (90, 10m, 2h), at the "
        "beginning too.  [default: never; at the beginning, at once]"),
)  # fmt: skip

"""What is written."""


def request_from(source: str, options: Mapping[str, Any]) -> RunRequest:
    """The request that all options make.

    Raises:
        click.UsageError: an output is missing, or contradicts another option.
    """
    return replace(
        request_without_output(source, options),
        outputs=_output_settings(options),
        results=options["results"],
        report=options["report"],
        overwrite=options["overwrite"],
        max_latency_s=options["max_latency_ms"] / 1000,
        give_up_after_s=options["give_up_after"],
    )


def request_without_output(source: str, options: Mapping[str, Any]) -> RunRequest:
    """The request that `analysis_options` alone make: nothing is written."""
    from mien.contract.requests import MEGABYTE_BYTES, RunRequest

    megabytes = options["window_mb"]
    return RunRequest(
        source=source,
        analysis=_analysis_request(options),
        window_bytes=megabytes and megabytes * MEGABYTE_BYTES,
        device=options["device"],
        batch=options["batch"],
    )


def _output_settings(options: Mapping[str, Any]) -> tuple[OutputSettings, ...]:
    from mien.contract.outputs import OutputSettings

    if options["no_video"] and options["output"]:
        raise click.UsageError("--no-video and -o contradict each other: give one of them")
    if options["no_video"]:
        return ()
    if not options["output"]:
        raise click.UsageError("where should the annotated video go? Give -o OUTPUT or --no-video")
    return tuple(
        OutputSettings(
            target=target,
            fps=options["fps"],
            encoder=options["encoder"],
            preset=options["preset"],
            crf=options["crf"],
            blur=options["blur"],
            overwrite=options["overwrite"],
            segment_s=options["segment"],
        )
        for target in options["output"]
    )


def _analysis_request(options: Mapping[str, Any]) -> AnalysisRequest:
    from mien.contract.requests import AnalysisRequest

    return AnalysisRequest(
        analyze_fps=options["analyze_fps"],
        analyze_size_px=options["analyze_size"],
        detector=options["detector"],
        min_face_px=options["min_face"],
        min_confidence=options["min_confidence"],
        weights=options["weights"],
        views=options["views"],
        smoothing_s=options["smoothing"],
        abstain=options["abstain"],
    )
