"""Errors and findings as people read them: what, where, how to mend it. On stderr, one line each."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import TextIO
from unicodedata import combining, east_asian_width

import click
from click.core import ParameterSource

from ocibuild.cli.terminal import paint
from ocibuild.errors import FindingsError, OcibuildError
from ocibuild.findings import Finding, Place, Severity

_OF_COMMANDS = (
    "-f",
    "--file",
    "--json",
    "--platform",
    "--progress",
    "-q",
    "--quiet",
    "--set",
    "-t",
    "--tag",
    "-v",
    "--verbose",
)
_ELSEWHERE_OPTIONS = ("-f", "--file", "-t", "--tag")  # for what other commands take without an option
_ALIKE = {"--format": "--json", "--json": "--format json"}  # a command has one of these, or neither
_EXCERPT = 160  # characters of a source line
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def say(text: str) -> None:
    """A line for people. Work goes on when they have stopped reading (`2>&1 | head`), or where it cannot be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let what is still to be written to `stream` go nowhere: its reader has gone, and nobody is to be told at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def show_error(error: OcibuildError, *, debug: bool) -> None:
    """An error that was expected. Findings are errors themselves; what they add up to is one more line."""
    if isinstance(error, FindingsError):
        show_findings(error.findings)
        say(_one_line(error.what))
    else:
        _show(error.what, error.where, error.hint)
    if debug:
        traceback.print_exception(error)


def show_usage_error(error: click.ClickException) -> None:
    """A command line that click could not read."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"see `{context.command_path if context else 'ocibuild COMMAND'} --help`"
    if context and isinstance(error, click.NoSuchOption):
        what = f"there is no option {error.option_name!r}"
        hint = _hint_for_option(error.option_name, context) or hint
    else:
        what = error.format_message().removesuffix(".")
        what = what[:1].lower() + what[1:]
        hint = (
            _hint_for_variable(error)
            or _hint_for_arguments(error)
            or _hint_for_missing(error)
            or _hint_for_path(error)
            or hint
        )
    _show(what, None, hint)


def show_internal_error(error: Exception, *, debug: bool) -> None:
    """An error that nobody expected: a fault of ours."""
    hint = "this is a bug in ocibuild: run it again as `ocibuild --debug ...` and report what it prints"
    _show(f"internal error: {type(error).__name__}: {error}", None, None if debug else hint)
    if debug:
        traceback.print_exception(error)


def show_findings(findings: Iterable[Finding]) -> None:
    """All of them, in order."""
    for finding in findings:
        show_finding(finding)


def show_finding(finding: Finding) -> None:
    """One finding."""
    for line in finding_lines(finding):
        say(line)


def finding_lines(finding: Finding) -> Iterator[str]:
    """One finding as lines: place, message and rule; the source line with a caret; the hint."""
    place = f"{_one_line(str(finding.place))}: " if finding.place else ""
    colour = _COLOURS[finding.severity]
    label = paint(f"{finding.severity.value}:", colour, bold=True)
    yield f"{place}{label} {_one_line(finding.message)} [{finding.rule}]"
    if finding.place:
        yield from _excerpt_lines(finding.place, colour)
    if finding.hint:
        yield f"  {paint('hint:', 'green')} {_one_line(finding.hint)}"


def _show(what: str, where: str | None, hint: str | None) -> None:
    say(f"{paint('error:', 'red', bold=True)} {_one_line(what)}")
    if where:
        say(f"  {paint('at:', 'cyan')} {_one_line(where)}")
    if hint:
        say(f"  {paint('hint:', 'green')} {_one_line(hint)}")


def _excerpt_lines(place: Place, colour: str) -> Iterator[str]:
    if place.excerpt is None or place.line is None:
        return
    number = str(place.line)
    text = place.excerpt.replace("\t", " ")
    if place.column is None:
        yield f" {number} | {printable(text[:_EXCERPT])}"
        return
    start = place.column - 1
    # Of a long line, what stands around the fault.
    first = max(0, start - _EXCERPT // 2) if len(text) > _EXCERPT else 0
    last = first + _EXCERPT
    before, marked = printable(text[first:start]), printable(text[start : min(start + place.width, last)])
    left, right = ("..." if first else ""), ("..." if last < len(text) else "")
    yield f" {number} | {left}{printable(text[first:last])}{right}"
    caret = "^" * max(1, _columns(marked))
    yield f" {' ' * len(number)} | {' ' * _columns(left + before)}{paint(caret, colour)}"


def _columns(text: str) -> int:
    """How wide a terminal shows it: East Asian characters take two columns, combining ones none."""
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def _hint_for_option(name: str, context: click.Context) -> str | None:
    from difflib import get_close_matches

    options = _options_of(context)
    if near := get_close_matches(name, options, 1, cutoff=0.75):
        return f"did you mean `{near[0]}`?"
    if (other := _ALIKE.get(name)) and other.split()[0] in options:
        return f"did you mean `{other}`?"
    if context.parent is None and name in _OF_COMMANDS:
        return f"it stands after the command: `{context.command_path} COMMAND {name} ...`"
    if context.parent and name in _options_of(context.parent):
        return f"it stands before the command: `{context.parent.command_path} {name} ...`"
    takes_arguments = any(isinstance(param, click.Argument) for param in context.command.params)
    return _usage(context) if takes_arguments and name in _ELSEWHERE_OPTIONS else None


def _hint_for_variable(error: click.ClickException) -> str | None:
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None or not error.param.name:
        return None
    if error.ctx.get_parameter_source(error.param.name) is not ParameterSource.ENVIRONMENT:
        return None
    return f"the value is that of {error.param.envvar} in the environment"


def _hint_for_arguments(error: click.ClickException) -> str | None:
    """How the command is written, where it was given too few or too many names."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    missing = isinstance(error, click.MissingParameter) and isinstance(error.param, click.Argument)
    surplus = type(error) is click.UsageError and "extra argument" in error.message
    if context is None or not (missing or surplus):
        return None
    if surplus and "--file" in _options_of(context):
        return f"a spec, or a directory of specs, is named with -f: `{context.command_path} -f PATH`"
    return _usage(context)


def _usage(context: click.Context) -> str:
    usage = " ".join((context.command_path, *context.command.collect_usage_pieces(context)))
    return f"it is `{usage}`; see `{context.command_path} --help`"


def _hint_for_missing(error: click.ClickException) -> str | None:
    """What to add, where an option, its value or a command of a group has to be given and was not."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context and context.parent and isinstance(context.command, click.Group):
        commands = (f"`{context.command_path} {name}`" for name in context.command.list_commands(context))
        return f"it is one of: {', '.join(commands)}"
    param = error.param if isinstance(error, click.MissingParameter) else None
    if context and isinstance(error, click.BadOptionUsage):
        param = next((each for each in context.command.params if error.option_name in each.opts), None)
    if not isinstance(param, click.Option) or param.is_flag:
        return None
    return f"it is `{param.opts[0]} {param.metavar or param.type.name.upper()}`: {param.help}".removesuffix(".")


def _hint_for_path(error: click.ClickException) -> str | None:
    """What to name instead of a path of the wrong kind."""
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    if not isinstance(kind, click.Path):
        return None
    return "name a directory" if kind.dir_okay and not kind.file_okay else "name a file"


def _options_of(context: click.Context) -> list[str]:
    return [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]


def _one_line(text: str) -> str:
    return printable(" ".join(text.split("\n")))


def printable(text: str) -> str:
    """`text` without characters that a terminal would act on: what registries and annotations say is not trusted."""
    return "".join(
        char if char.isprintable() or char == " " else char.encode("unicode_escape").decode() for char in text
    )
