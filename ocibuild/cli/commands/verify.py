"""`ocibuild verify`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import (
    DEFAULT_OUTPUT,
    jobs_option,
    profile_option,
    progress_options,
    registry_options,
    subcommand,
    verdict_options,
)
from ocibuild.cli.results import numbered
from ocibuild.cli.session import default_jobs, opened_places
from ocibuild.cli.verdict import conclude, selection
from ocibuild.oci.location import parse_location
from ocibuild.sizes import human_size


@subcommand(
    "verify",
    "ocibuild verify",
    "ocibuild verify ghcr.io/octocat/hello:1.2.3 oci-archive:release.tar",
    "ocibuild verify --strict --profile lambda --format sarif oci:.ocibuild/layout:1.2.3",
)
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@profile_option
@verdict_options
@jobs_option
@progress_options
@registry_options
def command(images: tuple[str, ...], **options: Any) -> int:
    """Check images to their last byte: digests, sizes, documents, the tars of layers, labels and annotations.

    IMAGE is a reference, oci:DIR[:NAME], oci-archive:FILE or docker-archive:FILE [default: oci:.ocibuild/layout]; without a
    NAME, all images of a layout or an archive. Nothing is unpacked to disk, and no layer is read further than 128 GiB, or than
    200 times its size beyond 1 GiB. `ocibuild rules RULE` explains a finding. Exits with 1 for errors.
    """
    terms = api.VerifyTerms(
        profile=api.profile_named(options["profile"]) if options["profile"] else None,
        selection=selection(options),
        jobs=options["jobs"] or default_jobs(),
    )
    with opened_places(options) as places:
        report = api.verify([parse_location(image) for image in images or (DEFAULT_OUTPUT,)], places, terms)
    return conclude(report.findings, (), _subject(report), options)


def _subject(report: api.VerifyReport) -> str:
    images = numbered(report.images, "image")
    if report.platforms != report.images:
        images += f", {numbered(report.platforms, 'platform')}"
    return f"{images}, {numbered(report.layers, 'layer')}, {human_size(report.bytes)}"
