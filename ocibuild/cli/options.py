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


# The headings under which `--help` lists options, in this order.
GENERAL, PROGRESS, CONNECTION = "Options", "Progress and output", "Registry connection"


class Option(click.Option):
    """An option that is read from `OCIBUILD_<NAME>` where the command line does not give it.

    One that may be repeated takes a value from each line of the variable: labels and paths may hold blanks.
    """

    def __init__(self, param_decls: Sequence[str] | None = None, *, section: str = GENERAL, **attributes: Any) -> None:
        super().__init__(param_decls, **attributes)
        self.section = section
        if self.envvar is None:
            long = max((name for name in self.opts), key=len)
            self.envvar = "OCIBUILD_" + long.lstrip("-").replace("-", "_").upper()

    def value_from_envvar(self, ctx: click.Context) -> Any:
        if not self.multiple:
            return super().value_from_envvar(ctx)
        text = self.resolve_envvar_value(ctx)
        return None if text is None else [line.strip() for line in text.splitlines() if line.strip()]


def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """`click.option`, with the environment variable, and the heading (`section`) that it stands under."""
    return click.option(*names, cls=Option, show_envvar=False, **attributes)


class SectionedCommand(click.Command):
    """A command whose help groups its options under headings and ends with examples."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.BadOptionUsage as error:
            error.ctx = error.ctx or ctx  # the parser does not say whose option it is
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in (GENERAL, PROGRESS, CONNECTION):
            options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
            shown = [each for each in options if getattr(each, "section", GENERAL) == section]
            records = [record for each in shown if (record := each.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")


def subcommand(name: str, *examples: str) -> Callable[[Callable[..., Any]], SectionedCommand]:
    """`click.command`, with examples of its use."""
    return click.command(name, cls=SectionedCommand, examples=examples)


def together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several decorators as one, in the order in which `--help` shows them."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


class KeyValue(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """`KEY=VALUE`."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, text


class LeveledKeyValue(click.ParamType):  # type: ignore[type-arg]  # as above
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


_SHORT_TYPES = {"spdx": "application/spdx+json", "cyclonedx": "application/vnd.cyclonedx+json"}


def artifact_type(text: str) -> str:
    """The media type that `--type` means: SBOMs have short names."""
    return _SHORT_TYPES.get(text, text)


class ByteSize(click.ParamType):  # type: ignore[type-arg]  # as above
    """A number of bytes, with kB, MB or GB if wanted."""

    name = "BYTES"
    units: ClassVar = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(B|kB|MB|GB)?", str(value))
        if match is None:
            self.fail(f"{value!r} is no number of bytes; write for example 500kB or 25MB", param, ctx)
        return float(match[1]) * self.units[match[2] or ""]


class Rate(ByteSize):
    """Bytes a second."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        rate = super().convert(str(value).removesuffix("/s"), param, ctx)
        if rate <= 0:
            self.fail("a rate is more than nothing", param, ctx)
        return rate


class WholeNumber(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"


source_options = together(
    option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
           help=f"Spec file, or directory of specs; may be repeated.  [default: {DEFAULT_FILE}]"),
    option("--set", "sets", multiple=True, type=KeyValue(), help="Give a variable of the spec (`vars`) a value; may be repeated."),
)  # fmt: skip
file_options = together(
    source_options,
    option("-t", "--tag", "tags", multiple=True, metavar="TAG",
           help="A tag, a tag rule, or HOST/REPOSITORY:TAG, in place of the spec's; may be repeated."),
)  # fmt: skip
content_options = together(
    option("--platform", "platforms", multiple=True, metavar="OS/ARCH[/VARIANT]",
           help="Build for these platforms, in place of the spec's; may be repeated, or a list with commas."),
    option("--label", "labels", multiple=True, type=KeyValue(), help="Add a label; may be repeated."),
    option("--annotation", "annotations", multiple=True, type=LeveledKeyValue(),
           help="Add an annotation (levels: index, manifest, index-descriptor, manifest-descriptor); may be repeated."),
)  # fmt: skip
spec_options = together(file_options, content_options)

output_option = option("-o", "--output", default=DEFAULT_OUTPUT, metavar="PLACE", show_default=True,
                       help="Where the image is built to: oci:DIR, oci-archive:FILE or docker-archive:FILE.")  # fmt: skip

registry_options = together(
    option("--plain-http", multiple=True, metavar="HOST[:PORT]", section=CONNECTION,
           help="Speak to this host without TLS (loopback hosts need no permission); may be repeated."),
    option("--ca-cert", type=click.Path(dir_okay=False), metavar="FILE", section=CONNECTION,
           help="Trust the certificate authorities in this file too."),
    option("--client-cert", type=click.Path(dir_okay=False), metavar="FILE", section=CONNECTION,
           help="Client certificate (PEM)."),
    option("--client-key", type=click.Path(dir_okay=False), metavar="FILE", section=CONNECTION,
           help="Key of the client certificate, if it is in a file of its own."),
)  # fmt: skip

verbose_option = option("-v", "--verbose", count=True, section=PROGRESS,
                        help="Show every exchange with registries, without secrets.")  # fmt: skip

progress_options = together(
    option("--progress", type=click.Choice(["auto", "plain", "json", "quiet"]), default="auto", show_default=True,
           section=PROGRESS, help="On stderr: bars on a terminal, else lines (auto); lines; JSON lines; nothing."),
    option("-q", "--quiet", is_flag=True, section=PROGRESS, help="No progress: errors, warnings and the result only."),
    verbose_option,
)  # fmt: skip

handover_options = together(
    option("--metadata-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", section=PROGRESS,
           help="Write what came of it as JSON, with the keys of `docker buildx build --metadata-file`."),
    option("--dotenv", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", section=PROGRESS,
           help="Write IMAGE_DIGEST, IMAGE_NAME, IMAGE_REF and IMAGE_TAGS, for GitLab's `artifacts:reports:dotenv`."),
)  # fmt: skip

jobs_option = option("-j", "--jobs", type=WholeNumber(1, 256), metavar="N",
                     help="How much is done at once.  [default: one per processor; transfers: 4]")  # fmt: skip
json_option = option("--json", "as_json", is_flag=True, section=PROGRESS, help="One JSON document on stdout.")
platform_option = option("--platform", metavar="OS/ARCH[/VARIANT]", help="The image for this platform out of an index.")

by_digest_option = option(
    "--by-digest",
    is_flag=True,
    help="Push without tags: for runners that build one platform each (see `index create`).",
)
destination_options = together(
    option("--profile", metavar="NAME", help="Check against this registry profile.  [default: by the destination's host]"),
    by_digest_option,
)  # fmt: skip
profile_option = option(
    "--profile", metavar="NAME", help="Check against this registry profile.  [default: by the image's host]"
)
verdict_options = together(
    option("--select", multiple=True, metavar="RULE", help="Apply only these rules; may be repeated, or a list with commas."),
    option("--ignore", multiple=True, metavar="RULE", help="Leave these rules out; may be repeated, or a list with commas."),
    option("--strict", is_flag=True, help="Exit with 1 for warnings too."),
    option("--exit-zero", is_flag=True, help="Exit with 0 whatever is found."),
    option("--format", "form", type=click.Choice(["text", "json", "github", "gitlab", "sarif"]), default="text", show_default=True,
           section=PROGRESS, help="How findings are written on stdout."),
)  # fmt: skip
rate_option = option("--rate", type=Rate(), default="10MB", show_default=True,
                     help="Bytes a second that estimates assume, for example 500kB or 25MB.")  # fmt: skip
cache_dir_option = option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
                          help="Where the cache is. Default: ocibuild in the user's cache directory (~/.cache).")  # fmt: skip
