"""Results as stdout shows them: JSON documents with stable keys, tables, a line of summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable
from ocibuild.cli.metadata import built_platforms
from ocibuild.plan import Plan
from ocibuild.sizes import human_size

SCHEMA_VERSION = 1


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout, in ASCII: no encoding stands in its way, and no terminal acts on what it says."""
    click.echo(json.dumps({"schemaVersion": SCHEMA_VERSION, **document}, indent=2))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under an upper-case header, no borders."""
    shown = [tuple(header), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(header))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    return "\n".join(lines) + "\n"


def built_as_json(built: Sequence[api.Built]) -> list[dict[str, Any]]:
    """Each image that was built, with its platforms."""
    return [
        {
            "name": image.plan.image.name if image.plan.image else None,
            "tags": list(image.plan.tags),
            "digest": str(image.descriptor.digest),
            "mediaType": image.descriptor.media_type,
            "size": image.descriptor.size,
            "platforms": built_platforms(image),
        }
        for image in built
    ]


def shown_name(plan: Plan) -> str:
    """What people know the image of a plan as."""
    names = plan.references or ((plan.image,) if plan.image else plan.tags)
    return str(names[0]) if names else str(plan.origin or "the image")


def summary(built: Sequence[api.Built], skipped: int, *, is_named: bool) -> str:
    """One line for many images: how many, and what they come to; a layer that several have counts once. With `is_named`,
    those that were skipped have been told one by one."""
    left_out, hint = f"{numbered(skipped, 'image')} left out", "" if is_named else " (-v names them)"
    if not built:
        return f"nothing has changed; {left_out}{hint}"
    layers = {layer.digest: layer.size for image in built for part in image.images for layer in part.layers}
    told = f"{numbered(len(built), 'image')} of {numbered(len(layers), 'layer')}, {human_size(sum(layers.values()))}"
    reason = "" if is_named else f", as they have not changed{hint}"
    return f"{told}; {left_out}{reason}" if skipped else told


def numbered(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def pushed_as_json(pushed: Sequence[api.Pushed]) -> list[dict[str, Any]]:
    """Each destination, with what became of every blob."""
    return [
        {
            "name": one.reference.name,
            "digest": str(one.reference.digest),
            "tags": list(one.tags),
            "sentBytes": one.transferred.sent_bytes,
            "blobs": [
                {"digest": str(descriptor.digest), "size": descriptor.size, "outcome": outcome.value}
                for descriptor, outcome in one.transferred.outcomes
            ],
        }
        for one in pushed
    ]
