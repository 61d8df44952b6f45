"""`mien submit` and what is done with jobs afterwards."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mien.contract.errors import Interrupted, OutputError
from mien.jobs.environment import DEFAULT_URL, SECRET
from mien.options import analysis_options, output_options, request_from, with_options
from mien.standard_streams import say

if TYPE_CHECKING:
    from mien.jobs.queue import Jobs
    from mien.jobs.record import JobRecord

DAY_S = 24 * 3600

SERVER = click.option(
    "--redis-url",
    envvar="MIEN_REDIS_URL",
    default=DEFAULT_URL,
    show_default=DEFAULT_URL,
    metavar="URL",
    help="The Redis or Valkey server: redis://, rediss:// or unix://.  [env: MIEN_REDIS_URL]",
)

AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")

_job_options = with_options(
    output_options,
    analysis_options,
    SERVER,
    click.option(
        "--id", "job", metavar="ID",
        help="The job's id; the same job is not started twice, and another one is refused.",
    ),
    click.option("--wait", is_flag=True, help="Follow the job, and exit as `mien run` would."),
    click.option(
        "--webhook", metavar="URL",
        help="Is sent the job's status, as JSON by POST, when it has ended; redirections are not "
        "followed.",
    ),
    click.option(
        "--keep", type=click.IntRange(1, 3650), default=7, show_default=True, metavar="DAYS",
        help="How long the job's record is kept after its end.",
    ),
    click.option("--quiet", "-q", is_flag=True, help="No progress."),
)  # fmt: skip
"""Of the commands that put a job into the queue."""


@click.command()
@click.argument("source", metavar="INPUT")
@_job_options
def submit(source: str, **options: Any) -> None:
    """Have INPUT annotated by the workers of a server.

    Prints the job's id. Takes the options of `run`; but where the networks run and how many
    pictures share a batch is for the analyzers to say, so --device and --batch do nothing here.
    Paths have to mean the same here and for the workers, since they are looked at here first.
    INPUT `-` reads the input's address from standard input, which keeps a password off the
    command line; it is then sealed with the secret in MIEN_SECRET.
    """
    _enqueue(source, options, attached=False)


@click.command()
@click.argument("source", metavar="CAMERA")
@_job_options
def attach(source: str, **options: Any) -> None:
    """Have a camera annotated until somebody ends it.

    The workers of a server do it; this prints the job's id. CAMERA is an rtsp:// or http(s)://
    address, or a webcam (/dev/video0) of the stream worker's machine; `-` reads it from standard
    input, and an address with a password is sealed with the secret in MIEN_SECRET. Takes the
    options of `submit`; -o may be given several times. A file is recorded in parts of --segment
    (10m by default), each of them playable while it grows. The camera need not be there yet: it is
    tried for ever, or for --give-up-after. `mien cancel` ends the job, and leaves every output
    complete.
    """
    _enqueue(source, options, attached=True)


def _enqueue(source: str, options: dict[str, Any], *, attached: bool) -> None:
    from mien.jobs.submission import absolute, check_submission

    _tell_ignored(click.get_current_context())
    redis_url, job, wait, webhook, keep, quiet = (
        options.pop(name) for name in ("redis_url", "job", "wait", "webhook", "keep", "quiet")
    )
    request = absolute(request_from(_read_address() if source == "-" else source, options))
    request = replace(request, attached=attached)
    with _jobs(redis_url) as jobs:
        if job is None or not jobs.has(job):
            check_submission(request)
        record, is_new = jobs.submit(
            request, job=job, webhook=webhook, keep_s=keep * DAY_S, secret=os.environ.get(SECRET)
        )
        try:
            click.echo(record.id)
        except OutputError as error:
            raise OutputError(f"the job {record.id} is in the queue, but {error}") from error
        if not is_new and not quiet:
            click.echo(f"mien: job {record.id} is there already: {record.state}", err=True)
        if wait:
            _follow(jobs, record.id, quiet=quiet)


@click.command("jobs")
@SERVER
@AS_JSON
def list_jobs(redis_url: str, as_json: bool) -> None:
    """List the jobs that the server remembers, oldest first."""
    with _jobs(redis_url) as jobs:
        records = jobs.all()
    if as_json:
        click.echo(json.dumps([record.status() for record in records]))
        return
    for record in records:
        say(_line(record))
    if not records:
        click.echo("no jobs", err=True)


@click.command()
@click.argument("job", metavar="ID")
@SERVER
@AS_JSON
def status(job: str, redis_url: str, as_json: bool) -> None:
    """Say how far a job is, or how it has ended."""
    with _jobs(redis_url) as jobs:
        record = jobs.find(job)
    if as_json:
        click.echo(json.dumps(record.status()))
        return
    from mien.console import live_lines

    say(_line(record))
    for line in (*live_lines(record), *record.outputs):
        say(f"  {line}")


@click.command()
@click.argument("job", metavar="ID")
@SERVER
def cancel(job: str, redis_url: str) -> None:
    """End a job.

    A file's output is removed, a camera's is finished.
    """
    with _jobs(redis_url) as jobs:
        record = jobs.cancel(job)
    click.echo(f"{job} {record.state}" if record.over else f"{job} is being cancelled")


@click.command()
@click.argument("job", metavar="ID")
@SERVER
def retry(job: str, redis_url: str) -> None:
    """Run a job again that failed or was cancelled.

    Analyses of a file here that are not an hour old are used again.
    """
    with _jobs(redis_url) as jobs:
        click.echo(jobs.retry(job).id)


@contextmanager
def _jobs(url: str) -> Iterator[Jobs]:
    from mien.jobs.queue import Jobs

    with Jobs(url) as jobs:
        yield jobs


def _read_address() -> str:
    address = sys.stdin.readline().strip()
    if not address:
        raise click.UsageError("INPUT is `-`, and standard input holds no address")
    return address


def _tell_ignored(context: click.Context) -> None:
    chosen = [
        f"--{name}"
        for name in ("device", "batch")
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
    ]
    if chosen:
        click.echo(f"mien: {' and '.join(chosen)}: the analyzers have their own", err=True)


def _follow(jobs: Jobs, job: str, *, quiet: bool) -> None:
    from mien.console import Console
    from mien.jobs.following import follow

    try:
        with Console(quiet=quiet).job_progress() as tell:
            record = follow(jobs, job, tell)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; the job goes on (mien cancel {job} ends it)") from None
    if record.exit_code:
        say(f"mien: {record.error}", err=True)
        click.get_current_context().exit(record.exit_code)
    if not quiet:
        for output in record.outputs:
            say(output, err=True)


def _line(record: JobRecord) -> str:
    from mien.console import job_line

    return f"{record.id}  {job_line(record)}  {record.source}"
