"""The summary of a step on the page of a workflow run: what was built and pushed, and what that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ocibuild import api
from ocibuild.cli.difference import SIGNS
from ocibuild.cli.markdown import code
from ocibuild.cli.results import numbered
from ocibuild.errors import FindingsError, OcibuildError
from ocibuild.findings import Finding
from ocibuild.oci.digest import Digest
from ocibuild.sizes import human_size


def built_summary(built: Sequence[api.Built], left_out: Sequence[str], layers: Mapping[str, int]) -> str:
    """What was built, one row an image, and what was not."""
    return _joined(_built(built, left_out, layers))


def pushed_summary(pushed: Sequence[api.Pushed]) -> str:
    """What was pushed: a row a destination, then the platforms, layers and changes of each."""
    return _joined(_pushed(pushed))


def index_summary(ref: str, names: Sequence[str], sources: Sequence[str]) -> str:
    """What images were put under one index, and its names."""
    lines = ["### Created an index", "", code(ref), "", *(f"- {code(name)}" for name in names), "", "over", ""]
    return _joined([*lines, *(f"- {code(source)}" for source in sources)])


def findings_summary(title: str, findings: Sequence[Finding]) -> str:
    """All findings, of which GitHub shows a few as annotations."""
    return _joined([f"### {code(title)}", *_findings(findings)])


def failure_summary(error: OcibuildError) -> str:
    """What went wrong, with all findings."""
    return _joined(_failure(error))


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _built(built: Sequence[api.Built], left_out: Sequence[str], layers: Mapping[str, int]) -> Iterator[str]:
    yield f"### Built {numbered(len(built), 'image')}"
    if built:
        yield from ("", "| image | digest | platforms | size |", "| --- | --- | --- | ---: |")
    for image in built:
        name = image.plan.image.name if image.plan.image else ""
        platforms = ", ".join(code(str(part.descriptor.platform)) for part in image.images)
        size = sum({layer.digest: layer.size for part in image.images for layer in part.layers}.values())
        yield f"| {code(name)} | {code(str(image.descriptor.digest))} | {platforms} | {human_size(size)} |"
    if layers:
        yield from ("", f"Layers: {', '.join(f'{count} {outcome}' for outcome, count in sorted(layers.items()))}.")
    if left_out:
        yield from ("", f"Left out, since nothing that they are made of has changed: {', '.join(map(code, left_out))}.")


def _pushed(pushed: Sequence[api.Pushed]) -> Iterator[str]:
    yield f"### Pushed {numbered(len(pushed), 'image')}"
    yield from ("", "| image | tags | digest | sent |", "| --- | --- | --- | --- |")
    for one in pushed:
        tags, digest = ", ".join(map(code, one.tags)), str(one.reference.digest)
        yield f"| {code(one.reference.name)} | {tags} | {code(digest)} | {_sent(one)} |"
    for one in pushed:
        details = list(_details(one))
        if len(pushed) > 1:
            details = ["", "<details><summary>Platforms, layers and changes</summary>", *details, "", "</details>"]
        name = one.errand.repository.with_tag(one.tags[0]) if one.tags else one.reference
        yield from ("", f"#### {code(str(name))}", *details)


def _details(one: api.Pushed) -> Iterator[str]:
    yield from _layers(one)
    if one.change:
        yield from _change(one.change)
    yield from _findings(one.findings)


def _sent(one: api.Pushed) -> str:
    outcomes = Counter(outcome.value for _, outcome in one.transferred.outcomes)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"{human_size(one.transferred.sent_bytes)} ({told})"


def _layers(one: api.Pushed) -> Iterator[str]:
    yield from ("", "| platform | layer | digest | size | |", "| --- | --- | --- | ---: | --- |")
    titles = one.errand.titles
    fates: dict[Digest, str] = {blob.digest: outcome.value for blob, outcome in one.transferred.outcomes}
    for node, manifest in one.errand.root.manifests():
        config = one.errand.configs.get(manifest.config.digest)
        platform = code(str(node.descriptor.platform or (config.platform if config else "")))
        for layer in manifest.layers:
            name, fate = code(titles.get(layer.digest, "")), fates.get(layer.digest, "not sent")
            yield f"| {platform} | {name} | {code(layer.digest.short)} | {human_size(layer.size)} | {fate} |"
            platform = ""


def _change(change: api.Difference) -> Iterator[str]:
    yield from (
        "",
        f"**Changes** against {code(str(change.before.descriptor.digest))}, which the tags pointed to before",
    )
    yield from ("", *(f"- {code(platform)} is gone" for platform in change.only_before))
    yield from (f"- {code(platform)} is new" for platform in change.only_after)
    yield from (f"- {code(image.platform)}: {_layer_changes(image)}" for image in change.images)
    yield from _values(change)


def _values(change: api.Difference) -> Iterator[str]:
    """Settings and annotations that differ, each once: most are the same for all platforms."""
    places: dict[api.ValueChange, list[str]] = {value: [] for value in change.values}
    for image in change.images:
        for value in image.values:
            places.setdefault(value, []).append(image.platform)
    if places:
        yield from ("", "| | level | key | before | after | of |", "| --- | --- | --- | --- | --- | --- |")
    for value, platforms in places.items():
        cells = (value.level, value.key, value.before or "", value.after or "")
        of = ", ".join(map(code, platforms)) if len(platforms) < len(change.images) else "all"
        yield f"| {SIGNS[value.status]} | {' | '.join(map(code, cells))} | {of if platforms else ''} |"


def _layer_changes(image: api.ImageDifference) -> str:
    kept = sum(1 for pair in image.layers if pair.before and pair.after)
    new = sum(1 for pair in image.layers if not pair.before)
    gone = sum(1 for pair in image.layers if not pair.after)
    before, after = (sum(layer.descriptor.size for layer in side.layers) for side in (image.before, image.after))
    return (
        f"{numbered(kept, 'layer')} kept, {new} new, {gone} gone; {human_size(before)} before, {human_size(after)} now"
    )


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if findings:
        yield from ("", "| finding | rule | where |", "| --- | --- | --- |")
    for finding in findings:
        where = code(str(finding.place)) if finding.place else ""
        yield f"| {finding.severity.value}: {code(finding.message)} | {code(finding.rule)} | {where} |"


def _failure(error: OcibuildError) -> Iterator[str]:
    yield from ("### Failed", "", code(error.what))
    yield from ("", f"at {code(error.where)}") if error.where else ()
    yield from ("", f"hint: {code(error.hint)}") if error.hint else ()
    if isinstance(error, FindingsError):
        yield from _findings(error.findings)
