"""`mien worker analyzer` and `mien worker stream`: the processes behind a server."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mien.job_commands import SERVER
from mien.jobs import environment
from mien.logs import LogFormat, set_up
from mien.options import BATCH, DEVICE, with_options

_monitoring_options = with_options(
    click.option(
        "--metrics-port",
        type=click.IntRange(0, 65_535),
        metavar="N",
        help="Where /metrics, /healthz and /readyz are served; by default at the first free port "
        "from 9464, with 0 nowhere.  [env: MIEN_METRICS_PORT]",
        envvar="MIEN_METRICS_PORT",
    ),
    click.option(
        "--metrics-host",
        default="",
        metavar="ADDRESS",
        help="The address of this machine at which they are served; by default at all.  "
        "[env: MIEN_METRICS_HOST]",
        envvar="MIEN_METRICS_HOST",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How events are written to standard error, one a line.  [env: MIEN_LOG_FORMAT]",
        envvar="MIEN_LOG_FORMAT",
    ),
)
"""How a worker can be watched."""


@click.group()
def worker() -> None:
    """Run a worker that serves jobs until it gets SIGTERM."""


@worker.command()
@SERVER
@click.option(
    "--weights",
    multiple=True,
    metavar="NAME|FILE",
    help="Weights that it serves; give it again for more.  [default: all that come with mien]",
)
@DEVICE
@BATCH
@click.option(
    "--max-delay-ms",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    metavar="MS",
    help="How long a picture waits for others to share a batch with.",
)
@_monitoring_options
def analyzer(
    redis_url: str, weights: tuple[str, ...], device: str, batch: int, max_delay_ms: int,
    metrics_port: int | None, metrics_host: str, log_format: LogFormat,
) -> None:  # fmt: skip
    """Find faces and read expressions for all streams of the server.

    Start as many as you like, on any machine; each may be stopped or killed at any time.
    """
    from mien.monitoring.server import listen

    set_up(log_format)
    listener = listen(metrics_port, metrics_host)
    from mien.analyzer_worker import AnalyzerSettings, serve

    serve(redis_url, AnalyzerSettings(weights, device, batch, max_delay_ms / 1000), listener)


@worker.command()
@SERVER
@click.option(
    "--concurrency",
    "-c",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Jobs at the same time, a process each.",
)
@click.option(
    "--input-root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Read files below it only.  [env: MIEN_INPUT_ROOT]",
    envvar="MIEN_INPUT_ROOT",
)
@click.option(
    "--output-root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Write files below it only.  [env: MIEN_OUTPUT_ROOT]",
    envvar="MIEN_OUTPUT_ROOT",
)
@click.option(
    "--wire",
    type=click.Choice(["raw", "jpeg"]),
    default="raw",
    show_default=True,
    help="How pictures travel to the analyzers: raw loses nothing, jpeg saves a thin network.",
    envvar="MIEN_WIRE",
)
@_monitoring_options
def stream(
    redis_url: str, concurrency: int, input_root: Path | None, output_root: Path | None, wire: str,
    metrics_port: int | None, metrics_host: str, log_format: LogFormat,
) -> None:  # fmt: skip
    """Read the sources and write the outputs of jobs.

    SIGTERM lets a file's job end first, and finishes what a camera's has recorded: another worker
    goes on with the camera. A second one breaks files' jobs off, and they go back to the queue.
    Addresses with a password need the secret in MIEN_SECRET that their submitter had.
    """
    from mien.jobs.supervisor import Supervisor
    from mien.monitoring.server import listen

    set_up(log_format)
    os.environ[environment.REDIS_URL] = redis_url  # the work horses read it there
    os.environ[environment.WIRE] = wire
    roots = {environment.INPUT_ROOT: input_root, environment.OUTPUT_ROOT: output_root}
    for name, root in roots.items():
        if root is not None:
            os.environ[name] = str(root.resolve())
    Supervisor(redis_url, concurrency, listen(metrics_port, metrics_host)).run()
