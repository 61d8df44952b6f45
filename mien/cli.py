"""The command line. Imports lazily, so that `mien --help` is there at once."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from mien import logs, standard_streams
from mien.contract.errors import UNREAD, Interrupted, MienError, OutputError
from mien.evaluation_commands import calibrate, evaluate
from mien.job_commands import attach, cancel, list_jobs, retry, status, submit
from mien.options import analysis_options, output_options, request_from, request_without_output
from mien.train_commands import distill, soft_labels, train
from mien.worker_commands import worker


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"mien {version('mien')}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "MIEN"})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Find the faces in videos and read the expression on each.

    With MIEN_DEBUG=1 in the environment errors show their whole traceback.
    """


@cli.command()
@click.argument("source", metavar="INPUT")
@output_options
@analysis_options
@click.option("--quiet", "-q", is_flag=True, help="No progress and no summary.")
def run(source: str, quiet: bool, **options: Any) -> None:
    """Annotate a video, photo or camera without a server.

    INPUT, a path or a URL, is read to its end; the annotated picture is written to the file that
    -o names, by its extension (mp4, mov, mkv, webm, ...; a photo gives a photo).
    """
    request = request_from(source, options)
    from mien.console import Console
    from mien.embedded import run as run_embedded

    console = Console(quiet=quiet)
    with console.progress() as on_progress:
        outcome = run_embedded(request, on_progress=on_progress)
    console.summary(outcome)


@cli.command()
@click.argument("source", metavar="INPUT")
@analysis_options
def bench(source: str, **options: Any) -> None:
    """Measure how fast this machine is on your own video.

    It also says where the time goes. INPUT is read twice, encoded into a temporary file and thrown
    away.
    """
    request = request_without_output(source, options)
    from mien.bench import bench as measure

    for line in measure(request):
        click.echo(line)


@cli.command("import-checkpoint")
@click.argument("source", type=click.Path(path_type=Path), metavar="model_state.pth.tar")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT.safetensors",
    help="The weights file to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace it if it is there already.")
def import_checkpoint(source: Path, output: Path, overwrite: bool) -> None:
    """Turn a checkpoint of common scripts into weights.

    Those that train VGG networks on FER2013 and leave a `model_state.pth.tar`.
    """
    from mien.contract.atomic import check_target
    from model.import_checkpoint import import_checkpoint as convert

    check_target(output, overwrite)
    if output.exists() and source.exists() and output.samefile(source):
        raise click.UsageError(f"{output} is the input itself; give the output another name")

    info = convert(source, output, overwrite=overwrite)
    standard_streams.say(f"{info.architecture}: {output}")


for command in (
    train, soft_labels, distill, evaluate, calibrate,
    submit, attach, list_jobs, status, cancel, retry, worker,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command line; every error becomes one line on standard error and an exit code.

    The process ends at once, once all is written: torch's own farewell takes up to a second, and
    120 MB more memory than the run itself.
    """
    standard_streams.set_up()
    code = _run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, OutputError):  # nobody reads it any more, or it was told already
            stream.flush()
    os._exit(code)


def _run() -> int:
    try:
        code = cli(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SystemExit:  # click's own answer to a pipe that is broken, and to nothing else here
        return UNREAD
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except MienError as error:
        return _failed(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _failed("interrupted", Interrupted.exit_code)
    except Exception as error:  # noqa: BLE001 - the one place: what nobody foresaw is our bug
        return _failed(f"a bug in mien: {type(error).__name__}: {error}", MienError.exit_code)


def _failed(message: str, code: int) -> int:
    message = " ".join(message.split())
    wants_trace = os.environ.get("MIEN_DEBUG", "0") not in ("", "0")
    if logs.are_json():
        logs.tell_end(message, code, trace=wants_trace)
        return code
    if wants_trace:
        traceback.print_exc()
    with suppress(OSError):  # the code says it all the same
        standard_streams.say(f"mien: {message}", err=True)
    return code


if __name__ == "__main__":
    main()
