"""`ocibuild tags`."""

from __future__ import annotations

from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable, say, show_findings
from ocibuild.cli.options import PROGRESS, file_options, json_option, option, subcommand
from ocibuild.cli.results import print_json, shown_name
from ocibuild.cli.session import facts, overrides, spec_files


@subcommand(
    "tags",
    "ocibuild tags",
    "ocibuild tags -v -f images/",
    "ocibuild tags -t 'type=semver,pattern={{version}}' --json | jq -r '.images[0].version'",
    "GITHUB_ACTIONS=true GITHUB_REF=refs/tags/v1.2.3 ocibuild tags",
)
@file_options
@option("-v", "--verbose", is_flag=True, section=PROGRESS, help="Say what each rule gives, or why it gives no tag.")
@json_option
def command(**options: Any) -> None:
    """Print the tags that the rules of specs give here and now, one a line, the most important first. Of several images,
    print NAME:TAG of each (of one that has no name, TAG).

    What is built is read from the environment of GitHub Actions or GitLab CI, else from git.
    """
    images = api.spec_tags(spec_files(options), overrides(options), facts())
    for image in images:
        show_findings(image.plan.warnings)
        if options["verbose"]:
            _explain(image, of_several=len(images) > 1)
    if options["as_json"]:
        print_json({"images": [_as_json(image) for image in images]})
    else:
        for image in images:
            names = image.plan.references if len(images) > 1 else ()
            for name in names or image.plan.tags:
                click.echo(name)


def _explain(image: api.ImageTags, *, of_several: bool) -> None:
    plan = image.plan
    before = f"{shown_name(plan)}: " if of_several else ""
    given = {ruling.tag for ruling in plan.rulings}
    for ruling in plan.rulings:
        say(printable(f"{before}{ruling.entry}: {ruling.tag or f'no tag, {ruling.reason}'}"))
    for tag in plan.tags:
        if tag not in given:
            say(printable(f"{before}flavor: {tag}"))


def _as_json(image: api.ImageTags) -> dict[str, Any]:
    """The tags of an image of a spec, what each of its rules gave, and the facts that they are made of."""
    plan = image.plan
    return {
        "name": plan.image.name if plan.image else None,
        "tags": list(plan.tags),
        "references": [str(reference) for reference in plan.references],
        "version": image.version,
        "rules": [
            {"rule": ruling.entry, "tag": ruling.tag or None, "reason": ruling.reason or None}
            for ruling in plan.rulings
        ],
        "context": dict(image.context) if image.context is not None else None,
    }
