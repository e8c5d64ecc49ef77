"""The `ocibuild` command: finds subcommands, and turns what they raise into a message and an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from ocibuild import __version__
from ocibuild.cli import completion
from ocibuild.cli.interruption import Run, Stopped, Terminated, interruptible
from ocibuild.cli.messages import discard, say, show_error, show_internal_error, show_usage_error
from ocibuild.errors import BuildError, OcibuildError, UsageError

INTERRUPTED, TERMINATED, UNEXPECTED = 130, 143, 3

# Command -> (module, one line for `--help`): the help of the group imports none of them.
COMMANDS = {
    "init": ("init", "Write a commented starter spec."),
    "build": ("build", "Build images into a layout or an archive."),
    "push": ("push", "Check what was built and send it to its registry."),
    "plan": ("plan", "Show what a push would send and which tags would move."),
    "lint": ("lint", "Check specs, Dockerfiles and workflows, before anything is built."),
    "rules": ("rules", "List the rules of lint and verify, or explain one."),
    "lock": ("lock", "Pin base images to digests."),
    "check-base": ("check_base", "Say which base images have moved on."),
    "cache": ("cache", "Look after the cache of builds."),
    "tags": ("tags", "Show the tags that specs give here and now."),
    "render": ("render", "Show specs with every template filled in."),
    "schema": ("schema", "Print the JSON Schema of specs."),
    "pull": ("pull", "Fetch an image from a registry."),
    "copy": ("copy", "Copy an image between registries, layouts and archives."),
    "inspect": ("inspect", "Show what an image is."),
    "verify": ("verify", "Check images to their last byte."),
    "diff": ("diff", "Show what differs between two images."),
    "report": ("report", "Write an HTML page about an image and its files."),
    "ls": ("ls", "List the tags of a repository or the images of a layout."),
    "digest": ("digest", "Print the digest that a name leads to."),
    "tag": ("tag", "Give an image further tags, where it is."),
    "attach": ("attach", "Attach a file, such as an SBOM or a signature, to an image."),
    "referrers": ("referrers", "List what is attached to an image."),
    "delete": ("delete", "Delete tags or images, where they are."),
    "index": ("index", "Merge images that were built apart into one index."),
    "doctor": ("doctor", "Find out what a registry grants and supports."),
    "serve": ("serve", "Serve a layout as a registry on this machine."),
    "login": ("login", "Store credentials for a registry, once they were tried."),
    "logout": ("logout", "Forget the credentials for a registry."),
}
# The commands that need a spec, or make one; `--help` shows them first.
BUILD_SIDE = (
    "init",
    "build",
    "push",
    "plan",
    "lint",
    "rules",
    "lock",
    "check-base",
    "cache",
    "tags",
    "render",
    "schema",
)
_EPILOG = """\b
A first image:
  ocibuild init     writes ocibuild.yaml
  ocibuild build    makes .ocibuild/layout
  ocibuild push     sends it to `image` and `tags` of the spec

`ocibuild COMMAND --help` has the options of a command, with examples.

\b
Exit codes:
  0    done
  1    the image breaks a rule; of diff: the images differ;
       of check-base and lock --check: a base moved
  2    usage, or an invalid spec
  3    a local file or the disk
  4    registry or network
  5    not logged in, or not allowed
  6    bytes are not what was promised
  130  interrupted
"""


# What other tools call it.
_OF_OTHERS = {
    "check": "lint",
    "cp": "copy",
    "help": "--help",
    "history": "inspect",
    "images": "ls",
    "list": "ls",
    "new": "init",
    "rm": "delete",
    "rmi": "delete",
    "show": "inspect",
    "validate": "verify",
    "version": "--version",
}


class _Commands(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            _refuse_command(cmd_name)
        module = importlib.import_module(f"ocibuild.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands without importing any, and the options of the group."""
        names = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return names or click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        rest = [name for name in COMMANDS if name not in BUILD_SIDE]
        width = max(map(len, COMMANDS))
        for title, names in (("From a spec", BUILD_SIDE), ("Images, wherever they are", rest)):
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][1]) for name in names])


def _refuse_command(name: str) -> NoReturn:
    from difflib import get_close_matches

    near = _OF_OTHERS.get(name) or next(iter(get_close_matches(name, COMMANDS, 1)), None)
    hint = f"did you mean `ocibuild {near}`?" if near else "`ocibuild --help` lists the commands"
    raise UsageError(f"there is no command {name!r}", hint=hint)


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    options_metavar="[--debug]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="ocibuild", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.", envvar="OCIBUILD_DEBUG")
@click.pass_obj
def cli(run: Run, debug: bool) -> None:
    """Build and publish OCI images from one YAML file: no daemon, no root, no RUN, the same bytes everywhere."""
    run.debug = debug


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    # What the caller has closed (`>&-`) is None here, and `print` would send messages for it to the other of the two.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    answered = completion.answer(cli)
    code = run(sys.argv[1:] if arguments is None else arguments) if answered is None else answered
    if code in (INTERRUPTED, TERMINATED):
        os._exit(code)  # all is cleaned up; a thread that still waits for the network would hold the process
    gc.freeze()  # the interpreter would look for cycles among all that there is, 25 ms for nothing
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; its exit code (see `ocibuild.errors`). What goes wrong is said on stderr."""
    # A build makes hundreds of thousands of values without a cycle among them; looking for cycles took a fifth of its time,
    # and one look at the values of 60,000 files still 60 ms.
    gc.set_threshold(1_000_000, 20, 20)
    with interruptible() as stop:
        this = Run(stop)
        try:
            return _call(list(arguments) or ["--help"], this)
        except OcibuildError as error:
            show_error(error, debug=this.debug)
            return error.exit_code
        except click.ClickException as error:
            show_usage_error(error)
            return error.exit_code
        except (click.Abort, KeyboardInterrupt, Stopped):
            say("interrupted")
            return INTERRUPTED
        except Terminated:
            say("terminated")
            return TERMINATED
        except BrokenPipeError:
            # The reader of our output has gone (`| head`), and output comes last: nothing is wrong, and nobody listens.
            discard(sys.stdout)
            return 0
        except OSError as error:
            show_error(BuildError(error.strerror or str(error), where=_place(error)), debug=this.debug)
            return BuildError.exit_code
        except Exception as error:  # noqa: BLE001 - the last place where a user can be told anything
            show_internal_error(error, debug=this.debug)
            return UNEXPECTED


def _place(error: OSError) -> str | None:
    """The file that an error is about, or our own output, if that is what cannot be written."""
    try:
        sys.stdout.flush()
    except OSError:
        discard(sys.stdout)  # the interpreter would try once more at its end, and complain in its own way
        return "the standard output"
    return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None


def _call(arguments: list[str], this: Run) -> int:
    """What click's own `main` does, without its habit of leaving the process. A command may return an exit code."""
    try:
        with cli.make_context("ocibuild", arguments, obj=this) as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as end:  # --help and --version
        result = end.exit_code
    sys.stdout.flush()
    return result if isinstance(result, int) else 0
