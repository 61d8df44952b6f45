"""What the command line and the workers offer, for comparing with what a deployment names."""

from collections.abc import Iterator, Sequence

import click

from mien import cli as command_line
from mien.jobs import environment

DEBUG = "MIEN_DEBUG"


def parse(arguments: Sequence[str]) -> None:
    """Have click read a command line as far as the values of its options.

    Raises:
        click.UsageError: there is no such command or option, or an option has a wrong value.
    """
    command: click.Command = command_line.cli
    rest = list(arguments)
    with click.Context(command, info_name="mien") as context:
        while isinstance(command, click.Group):
            if not rest:
                raise click.UsageError("it ends before a command's name")
            name, rest = rest[0], rest[1:]
            found = command.get_command(context, name)
            if found is None:
                raise click.UsageError(f"there is no command {name}")
            command = found
        command.make_context(name, rest, parent=context)


def variables() -> set[str]:
    """Environment variables that some command or worker reads."""
    constants = {
        value
        for name, value in vars(environment).items()
        if name.isupper() and isinstance(value, str) and value.startswith("MIEN_")
    }
    return {DEBUG, *constants, *_of(command_line.cli, "MIEN")}


def _of(command: click.Command, prefix: str) -> Iterator[str]:
    for parameter in command.params:
        explicit = parameter.envvar
        if isinstance(explicit, str):
            yield explicit
        elif explicit:
            yield from explicit
        if parameter.name:
            yield f"{prefix}_{parameter.name.upper()}"
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _of(child, f"{prefix}_{name.upper().replace('-', '_')}")
