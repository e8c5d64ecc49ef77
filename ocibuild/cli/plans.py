"""What `ocibuild plan` and `push --dry-run` show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.messages import printable, say, show_findings
from ocibuild.cli.results import numbered, print_json
from ocibuild.cli.terminal import paint
from ocibuild.oci.descriptor import Descriptor
from ocibuild.sizes import human_size


def show_plans(plans: Sequence[api.PushPlan], rate: float, *, images: int, as_json: bool) -> int:
    """Show plans, with times at `rate` bytes a second; the exit code: 1 where a push would be refused.

    If they are for several `images`, each of which may go to several places, their total comes last.
    """
    if as_json:
        print_json({"plans": [_as_json(plan, rate) for plan in plans]})
    else:
        for plan in plans:
            for line in _lines(plan, rate):
                click.echo(printable(line))
        if images > 1:
            click.echo(f"{numbered(images, 'image')}: {_cost(plans, rate)}; {_moved(plans)}")
    for plan in plans:
        _show_warnings(plan, rate)
    return int(any(finding.is_error for plan in plans for finding in plan.findings))


def _lines(plan: api.PushPlan, rate: float) -> Iterator[str]:
    yield str(plan.reference)
    for descriptor, fate in plan.blobs:
        yield f"  {fate.value:<7} {descriptor.digest}  {human_size(descriptor.size):>8}  {_title(plan, descriptor)}".rstrip()
    for descriptor, fate in plan.manifests:
        yield f"  {fate.value:<7} {descriptor.digest}  {human_size(descriptor.size):>8}  {_document(plan, descriptor)}"
    for move in plan.moves:
        before = "new" if move.old is None else "unchanged" if not move.changes else f"moves from {move.old}"
        yield f"  tag     {move.tag}: {before}"
    yield f"  {_cost([plan], rate)}"


def _cost(plans: Sequence[api.PushPlan], rate: float) -> str:
    size, requests = sum(plan.upload_bytes for plan in plans), sum(plan.requests for plan in plans)
    time = _duration(sum(plan.seconds(rate) for plan in plans))
    return f"{human_size(size)} to send in {requests} requests, about {time} at {human_size(int(rate))}/s"


def _moved(plans: Sequence[api.PushPlan]) -> str:
    changes = [move for plan in plans for move in plan.moves if move.changes]
    new = sum(move.old is None for move in changes)
    return f"{numbered(new, 'tag')} to make, {len(changes) - new} to move"


def _title(plan: api.PushPlan, descriptor: Descriptor) -> str:
    part = plan.parts.get(descriptor.digest, "")
    return f"layer {part}" if descriptor.digest in plan.titles else part


def _document(plan: api.PushPlan, descriptor: Descriptor) -> str:
    return f"manifest {plan.parts.get(descriptor.digest, '')}".rstrip()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _show_warnings(plan: api.PushPlan, rate: float) -> None:
    show_findings(plan.findings)
    for descriptor in plan.too_slow(rate):
        say(
            f"{paint('warning:', 'yellow', bold=True)} {_title(plan, descriptor) or descriptor.digest.short} takes about "
            f"{_duration(descriptor.size / rate)} at {human_size(int(rate))}/s, and {plan.profile.name} ends an upload after "
            f"{(plan.profile.upload_seconds or 0) // 60} minutes: split its files over several layers"
        )


def _as_json(plan: api.PushPlan, rate: float) -> dict[str, Any]:
    return {
        "name": plan.reference.name,
        "digest": str(plan.reference.digest),
        "profile": plan.profile.name,
        "blobs": [
            {**_blob(descriptor, fate), "layer": plan.titles.get(descriptor.digest)} for descriptor, fate in plan.blobs
        ],
        "manifests": [_blob(descriptor, fate) for descriptor, fate in plan.manifests],
        "tags": [
            {"tag": move.tag, "old": str(move.old) if move.old else None, "new": str(move.new), "changes": move.changes}
            for move in plan.moves
        ],
        "uploadBytes": plan.upload_bytes,
        "requests": plan.requests,
        "seconds": round(plan.seconds(rate), 1),
        "tooSlow": [str(descriptor.digest) for descriptor in plan.too_slow(rate)],
        "findings": [
            {"rule": finding.rule, "severity": finding.severity.value, "message": finding.message, "hint": finding.hint}
            for finding in plan.findings
        ],
    }


def _blob(descriptor: Descriptor, fate: api.Fate) -> dict[str, Any]:
    return {
        "digest": str(descriptor.digest),
        "size": descriptor.size,
        "mediaType": descriptor.media_type,
        "fate": fate.value,
    }
