"""What somebody sees who does not know the program, or mistypes."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ocibuild import __version__
from ocibuild.cli.app import BUILD_SIDE, COMMANDS
from ocibuild.cli.app import cli as group
from tests.cli.conftest import Cli
from tests.cli.program import ocibuild


def leaf_commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(f"ocibuild.cli.commands.{module}").command
        if isinstance(command, click.Group):
            yield from (((name, sub), command.commands[sub]) for sub in command.commands)
        else:
            yield (name,), command


LEAVES = dict(leaf_commands())
NAMES = [" ".join(words) for words in LEAVES]


def test_without_arguments_the_help_is_shown(cli: Cli) -> None:
    done = cli()
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == cli("--help").stdout == cli("-h").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "Exit codes:" in done.stdout


def test_the_version_is_one_line(cli: Cli) -> None:
    assert cli("--version").stdout == f"ocibuild {__version__}\n"


def test_build_commands_stand_first(cli: Cli) -> None:
    text = cli("--help").stdout
    positions = [text.index(f"\n  {name} ") for name in (*BUILD_SIDE, *(set(COMMANDS) - set(BUILD_SIDE)))]
    assert max(positions[: len(BUILD_SIDE)]) < min(positions[len(BUILD_SIDE) :])


@pytest.mark.parametrize("name", NAMES)
def test_each_command_explains_itself(cli: Cli, name: str) -> None:
    done = cli(*name.split(), "--help")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: ocibuild {name} ")
    assert "\nExamples:\n  " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_each_option_has_a_help_text_and_a_variable(name: str) -> None:
    for parameter in LEAVES[tuple(name.split())].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts
            long = max(parameter.opts, key=len)
            assert parameter.envvar == "OCIBUILD_" + long.removeprefix("--").replace("-", "_").upper()


@pytest.mark.parametrize("name", NAMES)
def test_each_example_is_a_command_line_that_exists(name: str) -> None:
    for example in getattr(LEAVES[tuple(name.split())], "examples", ()):
        for words in _calls(example):
            root = group.make_context("ocibuild", ["--help"], resilient_parsing=True)
            _parse(root, words)


def _calls(line: str) -> Iterator[list[str]]:
    """The calls of ocibuild in a line of shell."""
    words = shlex.split(line)
    while "ocibuild" in words:
        words = words[words.index("ocibuild") + 1 :]
        ends = [position for position, word in enumerate(words) if word in ("|", ">", "&&")]
        yield words[: min(ends, default=len(words))]


def _parse(root: click.Context, words: list[str]) -> None:
    command = group.get_command(root, words[0])
    if isinstance(command, click.Group):
        command, words = command.commands[words[1]], words[1:]
    assert command is not None
    command.make_context(words[0], words[1:], parent=root)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["biuld"], "there is no command 'biuld'", "did you mean `ocibuild build`?"),
        (["images"], "there is no command 'images'", "did you mean `ocibuild ls`?"),
        (["version"], "there is no command 'version'", "did you mean `ocibuild --version`?"),
        (["pull", "--client-key", "k", "x/y"], "--client-key is the key of a certificate", "name that one too, with --client-cert FILE"),
        (["-v", "build"], "there is no option '-v'", "it stands after the command: `ocibuild COMMAND -v ...`"),
        (["inspect", "--raw", "--json", "oci:x"], "--raw, --config and --json exclude each other", "name one of them"),
        (["xyzzy"], "there is no command 'xyzzy'", "`ocibuild --help` lists the commands"),
        (["build", "--ouput", "x"], "there is no option '--ouput'", "did you mean `--output`?"),
        (["build", "--xyzzy"], "there is no option '--xyzzy'", "see `ocibuild build --help`"),
        (["build", "--debug"], "there is no option '--debug'", "it stands before the command: `ocibuild --debug ...`"),
        (["pull", "--label", "a=b"], "there is no option '--label'", "see `ocibuild pull --help`"),
        (["lint", "-f", "a"], "there is no option '-f'", "it is `ocibuild lint [OPTIONS] [PATH]...`; see `ocibuild lint --help`"),
        (["tag", "a", "-t", "b"], "there is no option '-t'", "it is `ocibuild tag [OPTIONS] IMAGE NAME...`; see `ocibuild tag --help`"),
        (["inspect", "--format", "json", "x"], "there is no option '--format'", "did you mean `--json`?"),
        (["lint", "--json"], "there is no option '--json'", "did you mean `--format json`?"),
        (["pull", "--format", "json", "x"], "there is no option '--format'", "see `ocibuild pull --help`"),
        (["index"], "missing command", "it is one of: `ocibuild index create`"),
        (["push", "-t"], "option '-t' requires an argument",
         "it is `-t TAG`: A tag, a tag rule, or HOST/REPOSITORY:TAG, in place of the spec's; may be repeated"),
        (["push", "--json=yes"], "option '--json' does not take a value", "see `ocibuild push --help`"),
        (["build", "-f", "/no/spec.yaml"], "there is no spec '/no/spec.yaml'", "`ocibuild init` writes a first one; `-f PATH` names another"),
        (["digest"], "missing argument 'IMAGE'", "it is `ocibuild digest [OPTIONS] IMAGE`; see `ocibuild digest --help`"),
        (["copy", "a"], "missing argument 'DESTINATION'",
         "it is `ocibuild copy [OPTIONS] SOURCE DESTINATION`; see `ocibuild copy --help`"),
        (["pull", "a", "b"], "got unexpected extra argument (b)",
         "it is `ocibuild pull [OPTIONS] REFERENCE`; see `ocibuild pull --help`"),
        (["build", "-j", "x"], "invalid value for '-j' / '--jobs': 'x' is not a valid whole number", "see `ocibuild build --help`"),
        (["build", "surplus"], "got unexpected extra argument (surplus)",
         "a spec, or a directory of specs, is named with -f: `ocibuild build -f PATH`"),
        (["build", "-j", "0"], "invalid value for '-j' / '--jobs': 0 is not in the range 1<=x<=256", "see `ocibuild build --help`"),
        (["build", "--set", "x"], "invalid value for '--set': 'x' is not KEY=VALUE", "see `ocibuild build --help`"),
        (["build", "--annotation", "top:a=b"],
         "invalid value for '--annotation': 'top' is not a level; levels are index, manifest, index-descriptor, manifest-descriptor",
         "see `ocibuild build --help`"),
        (["build", "-o", "out"], "'out' is not an output", "for a directory write oci:out, for a file oci-archive:out or docker-archive:out"),
    ],
)  # fmt: skip
def test_what_is_mistyped_is_refused_with_a_hint(cli: Cli, arguments: list[str], message: str, hint: str) -> None:
    done = cli(*arguments)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr == f"error: {message}\n  hint: {hint}\n"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_overview_fits_a_terminal(cli: Cli, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, cli("--help").stdout.splitlines())) <= max(80, min(columns, 100))


def test_without_a_spec_the_next_step_is_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("build")
    assert done.status == 2
    assert done.stderr == (
        f"error: there is no spec 'ocibuild.yaml'\n  at: {tmp_path}\n"
        "  hint: `ocibuild init` writes a first one; `-f PATH` names another\n"
    )
    (tmp_path / "ocibuild.yml").touch()
    assert "hint: did you mean `-f ocibuild.yml`?\n" in cli("build").stderr


def test_a_process_of_its_own_behaves_alike(tmp_path: Path) -> None:
    done = ocibuild("biuld", cwd=tmp_path)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr == "error: there is no command 'biuld'\n  hint: did you mean `ocibuild build`?\n"
