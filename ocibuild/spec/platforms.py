"""The platforms of a spec, and the base image of each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ocibuild.errors import SpecError, UsageError
from ocibuild.findings import Finding, Place
from ocibuild.oci.location import Location, RegistryLocation, parse_location
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.plan import Origin
from ocibuild.spec.scope import did_you_mean
from ocibuild.spec.view import View

# Fixed, and not the platform of the machine: a spec gives the same image wherever it is built.
DEFAULT = Platform("linux", "amd64")
SCRATCH = "scratch"
PLATFORMS_LIMIT = 256
# What Go knows (image-spec image-index.md points there), to catch slips; other names are taken as they are.
_SYSTEMS = (
    *(
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "illumos",
        "ios",
        "js",
        "linux",
        "netbsd",
        "openbsd",
        "plan9",
    ),
    *("solaris", "wasip1", "windows"),
)
_ARCHITECTURES = (
    *("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64"),
    *("s390x", "sparc64", "wasm"),
)


def read_platforms(spec: View) -> dict[Platform, Origin]:
    """The platforms that the spec names, and where; linux/amd64 if it names none."""
    found: dict[Platform, Origin] = {}
    for view in spec.items("platforms"):
        if len(found) == PLATFORMS_LIMIT:
            view.refuse("spec-bad-value", f"{PLATFORMS_LIMIT} platforms are the limit", "split the image over several")
            break
        platform = _read_platform(view)
        if platform is None:
            continue
        same = next((other for other in found if other.is_same_as(platform)), None)
        if same is not None:
            view.refuse("spec-duplicate-platform", f"{platform} is the same platform as {same}", "keep one of the two")
        else:
            found[platform] = view.origin
    return found or {DEFAULT: spec.origin}


def choose_platforms(declared: Iterable[Platform], asked: tuple[str, ...]) -> tuple[Platform, ...]:
    """`asked` (--platform) instead of `declared`; with the declared facts, and in that order, where they are the same."""
    wanted = [_parse_asked(part) for text in asked for part in text.split(",")]
    if not wanted:
        return tuple(declared)
    known = [platform for platform in declared if any(other.is_same_as(platform) for other in wanted)]
    added: list[Platform] = []
    for platform in wanted:
        if not any(platform.is_same_as(other) for other in (*known, *added)):
            added.append(platform)
    return (*known, *added)


def read_base(spec: View, platform: Platform, directory: Path) -> tuple[View | None, Location | None]:
    """Where the base for `platform` is written, and what it is; None is scratch."""
    view = spec.get("base")
    if view is not None and not view.is_text:
        view = _base_for(view, platform)
    if view is None or view.text == SCRATCH:
        return view, None
    location = view.parse(parse_location, "spec-bad-reference")
    if location is None or isinstance(location, RegistryLocation):
        return view, location
    return view, replace(location, path=os.path.normpath(directory / location.path))


def parse_known_platform(text: str) -> Platform:
    """A platform; UsageError also for one that is a slip of the pen away from one that exists."""
    platform = parse_platform(text)
    for name, known in ((platform.os, _SYSTEMS), (platform.architecture, _ARCHITECTURES)):
        near = did_you_mean(name, known) if name not in known else None
        if near:
            raise UsageError(f"{text!r} is not a platform: there is no {name!r}", hint=near)
    return platform


def _read_platform(view: View) -> Platform | None:
    if view.is_text:
        return view.parse(parse_known_platform, "spec-bad-platform")
    platform = view.parse_of("platform", parse_known_platform, "spec-bad-platform")
    if platform is None:
        return None
    features = view.texts_of("os_features") or ()
    return replace(platform, os_version=view.text_of("os_version") or None, os_features=features)


def _base_for(bases: View, platform: Platform) -> View | None:
    named: dict[Platform, View] = {}
    for key, view in bases.entries():
        try:
            named[parse_known_platform(key)] = view
        except UsageError as error:
            view.refuse("spec-bad-platform", error.what, error.hint, at_key=True)
    for candidate, view in named.items():
        if candidate.is_same_as(platform):
            return view
    if len(named) == len(bases.value):
        hint = f"add `{platform}: REFERENCE`, or leave the platform out"
        bases.refuse("spec-base-platform", f"`base` names no image for {platform}", hint, at_key=True)
    return None


def _parse_asked(text: str) -> Platform:
    try:
        return parse_known_platform(text)
    except UsageError as error:
        raise SpecError(
            error.what, (Finding("spec-bad-platform", error.what, Place("--platform"), error.hint),)
        ) from error
