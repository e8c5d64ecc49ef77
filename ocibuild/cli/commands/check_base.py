"""`ocibuild check-base`."""

from __future__ import annotations

from typing import Any

from click import argument

from ocibuild import api
from ocibuild.cli.bases import note_no_bases, show_bases
from ocibuild.cli.options import json_option, progress_options, registry_options, source_options, subcommand
from ocibuild.cli.session import facts, opened_places, overrides, spec_files
from ocibuild.oci.location import parse_location


@subcommand("check-base", "ocibuild check-base", "ocibuild check-base ghcr.io/octocat/hello:1.2.3 --json")
@argument("images", nargs=-1, metavar="[IMAGE]...")
@source_options
@json_option
@progress_options
@registry_options
def command(images: tuple[str, ...], **options: Any) -> int:
    """Say whether the tags of base images still lead to what specs pin, or to what each IMAGE was built on (it records that
    in annotations). Exits with 1 if one has moved: time to build again.
    """
    with opened_places(options) as places:
        if images:
            states = tuple(state for text in images for state in api.recorded_bases(parse_location(text), places))
        else:
            states = api.base_states(spec_files(options), overrides(options), facts(), places)
    note_no_bases(states)
    show_bases(states, as_json=options["as_json"])
    return int(any(state.standing is api.Standing.MOVED for state in states))
