"""Options that several commands share. Every option can also be given as OCIBUILD_NAME in the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_FILE = "ocibuild.yaml"
DEFAULT_OUTPUT = "oci:.ocibuild/layout"


class Option(click.Option):
    """An option that is read from `OCIBUILD_<NAME>` where the command line does not give it."""

    def __init__(self, param_decls: Sequence[str] | None = None, **attributes: Any) -> None:
        super().__init__(param_decls, **attributes)
        if self.envvar is None:
            long = max((name for name in self.opts), key=len)
            self.envvar = "OCIBUILD_" + long.lstrip("-").replace("-", "_").upper()


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """`click.option`, with the environment variable."""
    return click.option(*names, cls=Option, show_envvar=False, **attributes)


def together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several decorators as one, in the order in which `--help` shows them."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


class KeyValue(click.ParamType[tuple[str, str]]):
    """`KEY=VALUE`."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, text


class LeveledKeyValue(click.ParamType[tuple[tuple[str, str, str], ...]]):
    """`[LEVEL:]KEY=VALUE`, as `docker buildx --annotation` takes it; several levels are separated by commas."""

    name = "[LEVEL:]KEY=VALUE"
    levels = ("index", "manifest", "index-descriptor", "manifest-descriptor")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, str, str], ...]:
        if isinstance(value, tuple):
            return value
        head, equals, text = str(value).partition("=")
        prefix, colon, key = head.partition(":")
        chosen = prefix.split(",") if colon else ["manifest"]
        if not equals or not (key if colon else head):
            self.fail(f"{value!r} is not [LEVEL:]KEY=VALUE", param, ctx)
        unknown = [level for level in chosen if level not in self.levels]
        if unknown:
            self.fail(f"{unknown[0]!r} is not a level; levels are {', '.join(self.levels)}", param, ctx)
        return tuple((level, key if colon else head, text) for level in chosen)


class Rate(click.ParamType[float]):
    """A number of bytes, with kB, MB or GB if wanted."""

    name = "BYTES"
    units: ClassVar = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(B|kB|MB|GB)?", str(value).removesuffix("/s"))
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is no rate; write for example 500kB or 25MB", param, ctx)
        return float(match[1]) * self.units[match[2] or ""]


spec_options = together(
    option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
           help=f"Spec file, or directory of specs; may be repeated. Default: {DEFAULT_FILE}."),
    option("--set", "sets", multiple=True, type=KeyValue(), help="Give a variable of the spec a value; may be repeated."),
    option("--platform", "platforms", multiple=True, metavar="OS/ARCH[/VARIANT]",
           help="Only these platforms; may be repeated, or a list with commas."),
    option("-t", "--tag", "tags", multiple=True, metavar="TAG",
           help="A tag, or a full reference, in place of the spec's; may be repeated."),
    option("--label", "labels", multiple=True, type=KeyValue(), help="Add a label; may be repeated."),
    option("--annotation", "annotations", multiple=True, type=LeveledKeyValue(),
           help="Add an annotation (levels: index, manifest, index-descriptor, manifest-descriptor); may be repeated."),
)  # fmt: skip

output_option = option("-o", "--output", default=DEFAULT_OUTPUT, metavar="PLACE", show_default=True,
                       help="oci:DIR, oci-archive:FILE or docker-archive:FILE.")  # fmt: skip

registry_options = together(
    option("--plain-http", multiple=True, metavar="HOST[:PORT]",
           help="Speak to this host without TLS (loopback hosts need no permission); may be repeated."),
    option("--ca-cert", type=click.Path(dir_okay=False), metavar="FILE", help="Trust the certificate authorities in this file too."),
    option("--client-cert", type=click.Path(dir_okay=False), metavar="FILE", help="Client certificate (PEM)."),
    option("--client-key", type=click.Path(dir_okay=False), metavar="FILE", help="Key of the client certificate, if it is in a file of its own."),
)  # fmt: skip

verbose_option = option("-v", "--verbose", count=True, help="Show every exchange with registries, without secrets.")

progress_options = together(
    option("--progress", type=click.Choice(["auto", "plain", "json", "quiet"]), default="auto", show_default=True,
           help="How progress is shown on stderr."),
    option("-q", "--quiet", is_flag=True, help="No progress: errors and the result only."),
    verbose_option,
)  # fmt: skip

jobs_option = option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="How much is done at once. Default: the number of cores (uploads: 4).",
)
json_option = option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
platform_option = option("--platform", metavar="OS/ARCH[/VARIANT]", help="The image for this platform out of an index.")

destination_options = together(
    option("--profile", metavar="NAME", help="Check against this registry profile. Default: by the destination's host."),
    option("--by-digest", is_flag=True, help="Leave tags alone: for runners that build one platform each (see `index create`)."),
)  # fmt: skip
rate_option = option("--rate", type=Rate(), default="10MB", show_default=True,
                     help="Bytes a second that estimates assume, for example 500kB or 25MB.")  # fmt: skip
