"""The `ocibuild` command: finds subcommands, and turns what they raise into a message and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from ocibuild import __version__
from ocibuild.cli.messages import show_error, show_internal_error, show_usage_error
from ocibuild.errors import OcibuildError

INTERRUPTED, TERMINATED, UNEXPECTED = 130, 143, 3

# Command -> (module, one line for `--help`): the help of the group imports none of them.
COMMANDS = {
    "init": ("init", "Write a commented starter spec."),
    "build": ("build", "Build images into a layout or an archive."),
    "push": ("push", "Check what was built and send it to its registry."),
    "plan": ("plan", "Show what a push would send and which tags would move."),
    "render": ("render", "Show specs with every template filled in."),
    "schema": ("schema", "Print the JSON Schema of specs."),
    "pull": ("pull", "Fetch an image from a registry."),
    "copy": ("copy", "Copy an image between registries, layouts and archives."),
    "inspect": ("inspect", "Show what an image is."),
    "ls": ("ls", "List the tags of a repository or the images of a layout."),
    "digest": ("digest", "Print the digest that a name leads to."),
    "tag": ("tag", "Give an image further tags, where it is."),
    "index": ("index", "Merge images that were built apart into one index."),
    "doctor": ("doctor", "Find out what a registry grants and supports."),
    "login": ("login", "Store credentials for a registry, once they were tried."),
    "logout": ("logout", "Forget the credentials for a registry."),
}


class _Commands(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ocibuild.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            _refuse_command(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _refuse_command(name: str) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise click.UsageError(f"There is no command {name!r}.{hint}")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ocibuild", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.", envvar="OCIBUILD_DEBUG")
def cli(debug: bool) -> None:
    """Build and publish OCI images from one YAML file: no daemon, no root, no RUN."""
    del debug  # read from the context by `main`


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; its exit code (see `ocibuild.errors`)."""
    signal.signal(signal.SIGTERM, _terminate)
    debug = "--debug" in arguments or bool(os.environ.get("OCIBUILD_DEBUG"))
    try:
        result = cli.main(list(arguments), prog_name="ocibuild", standalone_mode=False)
    except OcibuildError as error:
        show_error(error, debug=debug)
        return error.exit_code
    except click.ClickException as error:
        show_usage_error(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except BrokenPipeError:
        return _leave_quietly()
    except Exception as error:  # noqa: BLE001 - the last place where a user can be told anything
        show_internal_error(error, debug=debug)
        return UNEXPECTED
    return result if isinstance(result, int) else 0


class _Terminated(BaseException):
    """SIGTERM: raised in the main thread, so that temporary files are removed on the way out."""


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends at once
    raise _Terminated


def _leave_quietly() -> int:
    # The reader of our output has gone (`| head`): nothing is wrong, and nobody listens.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
