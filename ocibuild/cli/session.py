"""From the shared options to what the api takes: places, overrides, facts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.interruption import Run, stopping
from ocibuild.cli.messages import printable, say, show_findings
from ocibuild.cli.nearby import pointing_nearby
from ocibuild.cli.options import DEFAULT_FILE
from ocibuild.cli.progress import progress
from ocibuild.cli.terminal import paint
from ocibuild.errors import UsageError
from ocibuild.events import Emit
from ocibuild.oci.location import RegistryLocation, parse_location
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.oci.reference import Reference
from ocibuild.plan import Plan


@contextmanager
def opened_places(options: dict[str, Any]) -> Iterator[api.Places]:
    """The places of one command, with progress shown as the options say."""
    run = click.get_current_context().find_object(Run)
    stop = run.stop if run else Event()
    mode = options.get("progress", "auto")
    if mode == "auto" and options.get("verbose"):
        mode = "plain"  # exchanges and bars would write over each other
    with progress(mode, quiet=options.get("quiet", False)) as show:
        emit = stopping(show, stop)
        with pointing_nearby(), api.Places(lambda: registry_settings(options, emit, stop), emit) as places:
            yield places


def registry_settings(options: dict[str, Any], emit: Emit, stop: Event | None = None) -> api.Settings:
    """How registries are spoken to, as the options say. What waits for one of them ends when `stop` is set."""
    certificate = options.get("client_cert")
    if options.get("client_key") and not certificate:
        raise UsageError("--client-key is the key of a certificate", hint="name that one too, with --client-cert FILE")
    return api.Settings(
        plain_http=frozenset(options.get("plain_http", ())),
        ca_file=options.get("ca_cert"),
        client_cert=(certificate, options.get("client_key")) if certificate else None,
        trace=_trace if options.get("verbose") else None,
        emit=emit,
        stop=stop or Event(),
    )


def _trace(line: str) -> None:
    say(paint(printable(line), "dim"))


def spec_files(options: dict[str, Any]) -> list[Path]:
    """The spec files that were named, or the default one. UsageError if that does not exist."""
    files = list(options["files"]) or [Path(DEFAULT_FILE)]
    for file in files:
        if not file.exists():
            near = file.with_suffix(".yml" if file.suffix == ".yaml" else ".yaml")
            hint = (
                f"did you mean `-f {near}`?"
                if near.exists()
                else "`ocibuild init` writes a first one; `-f PATH` names another"
            )
            raise UsageError(
                f"there is no spec {str(file)!r}", where=None if file.is_absolute() else str(Path.cwd()), hint=hint
            )
    return files


def overrides(options: dict[str, Any]) -> api.Overrides:
    """What the command line adds to specs. Commands that build nothing have no options for contents."""
    return api.Overrides(
        sets=dict(options["sets"]),
        platforms=tuple(name for names in options.get("platforms", ()) for name in names.split(",")),
        tags=tuple(options.get("tags", ())),
        labels=tuple(options.get("labels", ())),
        annotations=tuple(entry for entries in options.get("annotations", ()) for entry in entries),
    )


def facts() -> api.Facts:
    """What specs may know of the world."""
    return api.facts_of(os.environ)


def plans(options: dict[str, Any]) -> tuple[Plan, ...]:
    """The plans that the options name. What there is to say of their specs is said."""
    loaded = api.load(spec_files(options), overrides(options), facts())
    for plan in loaded:
        show_findings(plan.warnings)
    show_findings(api.source_findings(loaded))
    return loaded


def terms(options: dict[str, Any]) -> api.Terms:
    """How to push, as the options say."""
    return api.Terms(
        profile=api.profile_named(options["profile"]) if options["profile"] else None,
        no_clobber=options.get("no_clobber", False),
        by_digest=options["by_digest"],
        jobs=options.get("jobs") or api.UPLOADS,
    )


def registry_reference(
    text: str, hint: str = "`ocibuild copy SOURCE DESTINATION` goes between any two places"
) -> Reference:
    """The reference that an argument names. UsageError for a place on disk, which would else be a name on Docker Hub."""
    location = parse_location(text)
    if not isinstance(location, RegistryLocation):
        raise UsageError(f"{location} is not in a registry", hint=hint)
    return location.reference


def push_destinations(texts: Sequence[str]) -> tuple[Reference, ...]:
    """Where arguments say to push to. A place on disk may be meant as what is pushed."""
    return tuple(registry_reference(text, hint=f"what is pushed is named by `-o {text}`") for text in texts)


def chosen_platform(text: str | None) -> Platform | None:
    """The platform of `--platform`, where a command takes one."""
    return parse_platform(text) if text else None


def default_jobs() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
