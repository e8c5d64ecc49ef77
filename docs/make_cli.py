"""Writes docs/cli.md from the commands themselves: run `python docs/make_cli.py` when one has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from ocibuild.cli.app import BUILD_SIDE, COMMANDS, cli
from ocibuild.cli.options import CONNECTION, GENERAL, PROGRESS, Option, SectionedCommand

_TARGET = Path(__file__).with_name("cli.md")
_HEAD = """# Commands

What `ocibuild COMMAND --help` says, on one page. This file is made by `docs/make_cli.py`.

IMAGE is a reference (`HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@DIGEST`), `oci:DIR[:TAG]`, `oci-archive:FILE` or
`docker-archive:FILE`; all commands that read take each of them. The prefix `docker://` is accepted.

stdout is data, stderr is for people. `--json` gives one document with stable keys; `--progress json` gives a line of
JSON for each event on stderr. Bars are drawn on a terminal only, and never where `CI` is set.

"""
_TAIL = """## Exit codes

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | the image breaks a rule (findings); nothing was sent. Of `lint` and `verify`: errors were found, an invalid spec and damaged bytes among them. Of `diff`: the images differ; of `lock --check` and `check-base`: a base moved |
| 2 | usage, or an invalid spec |
| 3 | building failed: a source, a local file, the disk; there is no such layout or archive |
| 4 | the registry refused, or cannot be reached; it, or the layout or archive, has no such image |
| 5 | not logged in, or not allowed |
| 6 | bytes, sizes or documents are not what was promised |
| 130, 143 | interrupted (SIGINT), terminated (SIGTERM) |

An error is one line that says what, one that says where, and one that says how to mend it. `ocibuild --debug COMMAND`
adds the traceback, `-v` every exchange with a registry, without secrets.

## Environment

Every option can be given as the variable that stands beside it: `--metadata-file` is `OCIBUILD_METADATA_FILE`,
`--push` is `OCIBUILD_PUSH=true`. Options that may be repeated take a value a line. The command line wins.

| variable | means |
| --- | --- |
| `OCIBUILD_CACHE_DIR`, `XDG_CACHE_HOME` | where the cache is; default `~/.cache/ocibuild` |
| `OCIBUILD_DEBUG` | tracebacks, as `--debug` |
| `OCIBUILD_FILE`, `OCIBUILD_SET`, `OCIBUILD_TAG`, `OCIBUILD_PLATFORM`, `OCIBUILD_OUTPUT`, ... | the options |
| `SOURCE_DATE_EPOCH` | the time of what has none of its own, in seconds since 1970 |
| `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME` | where credentials are looked for, in this order, as docker, podman and skopeo do |
| `CI_REGISTRY`, `CI_REGISTRY_USER`, `CI_REGISTRY_PASSWORD` | GitLab's credentials, for that registry only |
| `GITHUB_TOKEN`, `GITHUB_ACTOR` | GitHub's credentials, for ghcr.io only |
| `GITHUB_ACTIONS`, `GITHUB_OUTPUT`, `GITHUB_STEP_SUMMARY` | in a step of GitHub Actions: annotations, outputs and a summary of what was done |
| `GITHUB_...`, `CI_...`, `DOCKER_METADATA_...` | what began the build, for [tags](tags.md#what-is-built) |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR` | as everywhere |
| `NO_COLOR`, `FORCE_COLOR`, `CI`, `TERM` | colour, and whether lines may be drawn over |

## Shell completion

The shell asks ocibuild itself, so completion follows the version that is installed. For bash:

```sh
mkdir -p ~/.local/share/bash-completion/completions
_OCIBUILD_COMPLETE=bash_source ocibuild > ~/.local/share/bash-completion/completions/ocibuild
```

For zsh, in a directory of `$fpath`, and for fish:

```sh
mkdir -p ~/.zfunc ~/.config/fish/completions
_OCIBUILD_COMPLETE=zsh_source ocibuild > ~/.zfunc/_ocibuild
_OCIBUILD_COMPLETE=fish_source ocibuild > ~/.config/fish/completions/ocibuild.fish
```
"""


def cli_page() -> str:
    """The whole page."""
    context = click.Context(cli, info_name="ocibuild")
    rest = [name for name in COMMANDS if name not in BUILD_SIDE]
    lists = [*_listed("From a spec", BUILD_SIDE), *_listed("Images, wherever they are", rest)]
    options = _options(cli, context, GENERAL)
    sections = [line for name in COMMANDS for line in _command(cli.get_command(context, name), f"ocibuild {name}")]
    return _HEAD + "\n".join([*lists, "Before the command:", "", *options, *sections]) + "\n" + _TAIL


def _listed(title: str, names: list[str] | tuple[str, ...]) -> Iterator[str]:
    yield f"**{title}:**\n"
    yield from (f"- [{name}](#ocibuild-{name}): {COMMANDS[name][1]}" for name in names)
    yield ""


def _command(command: click.Command | None, name: str) -> Iterator[str]:
    assert command is not None
    context = click.Context(command, info_name=name)
    yield f"## {name}\n"
    yield f"`{name} {' '.join(command.collect_usage_pieces(context))}`\n"
    yield _prose(command.help or "")
    for section in (GENERAL, PROGRESS, CONNECTION):
        yield from _options(command, context, section)
    if isinstance(command, SectionedCommand) and command.examples:
        yield "Examples:\n\n```text"
        yield from command.examples
        yield "```\n"
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from _command(command.get_command(context, each), f"{name} {each}")


def _prose(text: str) -> str:
    """The text of a help, whose line breaks mean nothing, in paragraphs."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(re.sub(r"\s+", " ", paragraph).strip() for paragraph in paragraphs) + "\n"


def _options(command: click.Command, context: click.Context, section: str) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    shown = [each for each in options if getattr(each, "section", GENERAL) == section]
    if not shown:
        return
    yield f"| {section.lower()} | environment | |"
    yield "| --- | --- | --- |"
    for each in shown:
        record = each.get_help_record(context)
        assert record is not None
        yield f"| `{_cell(record[0])}` | {_variable(each)} | {_cell(record[1])} |"
    yield ""


def _variable(option: click.Option) -> str:
    named = option.envvar if isinstance(option, Option) or option.name == "debug" else None
    return f"`{named}`" if isinstance(named, str) else ""


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    _TARGET.write_text(cli_page(), encoding="utf-8")
