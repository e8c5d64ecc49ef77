"""The parts of the page that need no script: facts, layers, settings, annotations, findings, the difference to another image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ocibuild.differences import ImageDifference, ImageLayer, ValueChange, settings_of
from ocibuild.findings import Finding
from ocibuild.report.markup import Markup, table, tag, together
from ocibuild.report.model import ImageContents, LayerSums
from ocibuild.sizes import human_size
from ocibuild.tree.entry import shown
from ocibuild.tree.wording import details

_COLOURS = 8  # of layers, in page.css
_ROWS = 1000  # of changes that are listed; the file browser marks them all
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def section(title: str, *content: str, level: int = 3) -> Markup:
    """A part under its heading."""
    return tag("section", tag(f"h{level}", title), *content)


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A few numbers at a glance."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


def image_facts(contents: ImageContents, sums: list[LayerSums]) -> Markup:
    """How large the image is, and how much of that nobody can see."""
    packed = sum(layer.descriptor.size for layer in contents.image.layers)
    unpacked = sum(one.size for one in sums)
    covered = sum(one.covered for one in sums)
    return facts(
        (
            ("to download", human_size(packed)),
            ("content of files", human_size(unpacked)),
            ("layers", str(len(sums))),
            ("files", f"{sum(one.files for one in sums):,}"),
            ("covered later", human_size(covered)),
            ("created", str(contents.image.config.document.get("created", "unknown")).partition("T")[0]),
        )
    )


def layers(contents: ImageContents, sums: list[LayerSums]) -> Markup:
    """A row a layer, lowest first."""
    rows: list[tuple[str, ...]] = [
        (
            together(swatch(number), f" {number}"),
            _title(layer),
            human_size(layer.descriptor.size),
            human_size(one.size) if layer.is_read else "not distributed",
            f"{one.files:,}",
            human_size(one.covered) if one.covered else "",
            tag("code", layer.descriptor.digest.short, title=f"{layer.descriptor.digest}, diff_id {layer.diff_id}"),
        )
        for number, (layer, one) in enumerate(zip(contents.image.layers, sums, strict=True), 1)
    ]
    heads = ("layer", "made by", "packed", "content", "files", "covered", "digest")
    return section("Layers", table(heads, rows, label="Layers, the lowest first", numbers=(2, 3, 4, 5)))


def _title(layer: ImageLayer) -> Markup:
    return tag("span", layer.title or layer.descriptor.media_type, class_="long", title=layer.title)


def swatch(number: int) -> Markup:
    """The colour of a layer, as in the map of sizes. Never the only sign: the number stands beside it."""
    return tag("span", "", class_=f"swatch layer{(number - 1) % _COLOURS}", aria_hidden="true")


def config(contents: ImageContents) -> Markup:
    """Every setting of the config."""
    values = settings_of(contents.image.config)
    rows: list[tuple[str, ...]] = [(tag("code", key), tag("code", value)) for key, value in sorted(values.items())]
    return section("Config", table(("setting", "value"), rows, label="Settings of the config"))


def annotation_table(levels: Iterable[tuple[str, Mapping[str, str]]], *, level: int = 3) -> Markup:
    """Annotations and labels by the document that carries them."""
    rows: list[tuple[str, ...]] = [
        (name, tag("code", key), _value(value)) for name, values in levels for key, value in sorted(values.items())
    ]
    if not rows:
        return section("Annotations", tag("p", "There are none."), level=level)
    return section("Annotations", table(("level", "key", "value"), rows, label="Annotations by level"), level=level)


def image_annotations(contents: ImageContents) -> Markup:
    """Those of one image, from the outside in."""
    image = contents.image
    labels = {key: str(value) for key, value in (image.config.settings.get("Labels") or {}).items()}
    levels = (
        ("manifest-descriptor", image.descriptor_annotations),
        ("manifest", image.manifest.annotations),
        ("labels", labels),
    )
    return annotation_table(levels)


def findings(found: tuple[Finding, ...]) -> Markup:
    """What is wrong with the image."""
    if not found:
        return section("Findings", tag("p", "Nothing is wrong that was looked for."), level=2)
    rows: list[tuple[str, ...]] = [
        (
            tag("strong", finding.severity.value, class_=finding.severity.value),
            together(finding.message, tag("p", finding.hint, class_="hint") if finding.hint else ""),
            tag("code", finding.rule),
        )
        for finding in found
    ]
    return section("Findings", table(("severity", "finding", "rule"), rows, label="Findings"), level=2)


def difference(found: ImageDifference, against: str) -> Markup:
    """What is other than in the image that this one is compared with."""
    title = f"Difference to {against}"
    if found.is_empty:
        return section(title, tag("p", "Files, settings and annotations are equal."))
    sizes = [sum(layer.descriptor.size for layer in side.layers) for side in (found.before, found.after)]
    counts = Counter(change.status for change in found.files)
    summary = facts(
        (
            ("to download, before", human_size(sizes[0])),
            ("to download, now", human_size(sizes[1])),
            *((f"files {status}", f"{counts[status]:,}") for status in _SIGNS),
        )
    )
    unread = tag("p", f"Not compared: {found.unread} layers that are not distributed with the image.")
    return section(title, summary, value_changes(found.values), _file_changes(found), unread if found.unread else "")


def value_changes(changes: tuple[ValueChange, ...]) -> Markup:
    """Settings and annotations that are other than before."""
    rows: list[tuple[str, ...]] = [
        (_sign(change.status), change.level, tag("code", change.key), _value(change.before), _value(change.after))
        for change in changes
    ]
    heads = ("", "level", "key", "before", "now")
    return table(heads, rows, label="Settings and annotations that differ") if rows else Markup("")


def _value(text: str | None) -> Markup:
    return tag("span", text or "", class_="value")


def _file_changes(found: ImageDifference) -> Markup:
    rows: list[tuple[str, ...]] = [
        (_sign(change.status), tag("code", shown(change.path)), details(change)) for change in found.files[:_ROWS]
    ]
    if not rows:
        return Markup("")
    left = len(found.files) - len(rows)
    more = tag("p", f"and {left:,} more: ocibuild diff lists them all") if left else ""
    listed = table(("", "path", "what"), rows, label="Files that differ")
    return tag(
        "details", tag("summary", f"{len(found.files):,} {'path' if len(found.files) == 1 else 'paths'}"), listed, more
    )


def _sign(status: str) -> Markup:
    return together(
        tag("span", _SIGNS[status], class_=f"sign {status}", aria_hidden="true"), tag("span", status, class_="hidden")
    )
