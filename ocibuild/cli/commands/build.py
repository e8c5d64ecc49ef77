"""`ocibuild build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    PROGRESS,
    cache_dir_option,
    jobs_option,
    json_option,
    option,
    output_option,
    progress_options,
    registry_options,
    spec_options,
    subcommand,
)
from ocibuild.cli.results import built_as_json, metadata_file, print_json, pushed_as_json
from ocibuild.cli.session import default_jobs, opened_places, plans
from ocibuild.errors import UsageError
from ocibuild.oci.location import DockerArchiveLocation, RegistryLocation, parse_location, parse_output
from ocibuild.plan import Plan


@subcommand(
    "build",
    "ocibuild build",
    "ocibuild build --set version=1.2.3 --platform linux/arm64",
    "ocibuild build -f images/ -o oci-archive:images.tar",
    "ocibuild build --push --metadata-file built.json",
)
@spec_options
@output_option
@option("--push", is_flag=True, help="Then push to the image and tags of each spec.")
@option(
    "--cache-from",
    multiple=True,
    metavar="IMAGE",
    help="Take over unchanged layers of this image, wherever it is, without packing or sending them; may be repeated.",
)
@option("--no-cache", is_flag=True, help="Make everything anew: no cache, no layers of earlier images.")
@cache_dir_option
@option(
    "--metadata-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    section=PROGRESS,
    help="Write what was built as JSON, with the keys of `docker buildx build --metadata-file`.",
)
@json_option
@jobs_option
@progress_options
@registry_options
def command(**options: Any) -> None:
    """Build the images of specs, for all their platforms, and print NAME@DIGEST of each.

    The result is an OCI layout (.ocibuild/layout unless -o says otherwise), ready for `ocibuild push`. The same sources give
    the same digest on every machine.
    """
    output = parse_output(options["output"])
    wanted = plans(options)
    jobs = options["jobs"] or default_jobs()
    if options["push"] and isinstance(output, DockerArchiveLocation):
        raise UsageError("an image is not pushed out of a docker-archive", hint="build to oci:DIR or oci-archive:FILE")
    terms = api.Terms(jobs=options["jobs"] or api.UPLOADS)
    with opened_places(options) as places:
        built = api.build(
            wanted,
            output,
            places,
            self_contained=output != api.DEFAULT_OUTPUT,
            reuse=_reuse(options, wanted),
            jobs=jobs,
        )
        if options["metadata_file"]:
            metadata_file(options["metadata_file"], built)
        pushed = api.push_plans(wanted, output, (), places, terms) if options["push"] else ()
    if options["as_json"]:
        print_json({"images": built_as_json(built), **({"pushed": pushed_as_json(pushed)} if options["push"] else {})})
    else:
        for image in built:
            click.echo(image.name)


def _reuse(options: dict[str, Any], wanted: Sequence[Plan]) -> api.Reuse | None:
    """The cache, the images that were named, and (where the result is pushed anyway) what the tags point to so far."""
    if options["no_cache"]:
        return None
    named = tuple(parse_location(text) for text in options["cache_from"])
    at_target = tuple(RegistryLocation(plan.references[0]) for plan in wanted if plan.references)
    return api.Reuse(options["cache_dir"] or api.cache_directory(), named + (at_target if options["push"] else ()))
