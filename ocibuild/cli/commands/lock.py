"""`ocibuild lock`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.bases import note_no_bases, show_bases
from ocibuild.cli.messages import printable, show_findings
from ocibuild.cli.options import json_option, option, progress_options, registry_options, source_options, subcommand
from ocibuild.cli.session import facts, opened_places, overrides, spec_files
from ocibuild.errors import UsageError


@subcommand("lock", "ocibuild lock", "ocibuild lock -f images/ --check", "ocibuild lock --lockfile")
@source_options
@option("--check", is_flag=True, help="Change nothing; exit with 1 if a base is not pinned, or its tag has moved.")
@option("--lockfile", is_flag=True, help="Keep the digests in ocibuild.lock beside each spec, not in the specs.")
@json_option
@progress_options
@registry_options
def command(**options: Any) -> int:
    """Pin the base images of specs to what their tags lead to now, and print each file that changed.

    The digest is put behind the tag (`base: debian:12@sha256:...`), all else in the file stays as it is. With an ocibuild.lock
    beside the spec, made by --lockfile, the digests go there and builds use them; so can bases that templates make.
    """
    if options["check"]:
        if options["lockfile"]:
            raise UsageError("--check looks at what there is, and needs no --lockfile", hint="leave one of them out")
        return _check(options)
    with opened_places(options) as places:
        locked = api.lock(spec_files(options), overrides(options), facts(), places, lockfile=options["lockfile"])
    note_no_bases(locked.bases)
    changed = [_shown(path) for path in locked.changed]
    if options["as_json"]:
        show_bases(locked.bases, as_json=True, changed=changed)
    else:
        for path in changed:
            click.echo(printable(path))
    return 0


def _check(options: dict[str, Any]) -> int:
    with opened_places(options) as places:
        states = api.base_states(spec_files(options), overrides(options), facts(), places)
    note_no_bases(states)
    findings = tuple(api.lock_findings(states))
    if options["as_json"]:
        show_bases(states, as_json=True)
    show_findings(findings)
    return int(bool(findings))


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
