"""What `ocibuild diff --format markdown` shows: for a comment on a pull request, or the summary of a CI job."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild import api
from ocibuild.cli.difference import (
    SIGNS,
    files_title,
    layers_title,
    summary_of_nothing,
    unread_note,
)
from ocibuild.cli.markdown import code
from ocibuild.sizes import human_size

_ROWS = 200  # comments and summaries are of limited size, and so is patience


def difference_as_markdown(found: api.Difference, names: tuple[str, str]) -> str:
    """Tables; long lists are cut, and say so."""
    return "".join(f"{line}\n" for line in _lines(found, names))


def _lines(found: api.Difference, names: tuple[str, str]) -> Iterator[str]:
    yield from ("| | image | digest |", "| --- | --- | --- |")
    yield f"| before | {code(names[0])} | {code(str(found.before.descriptor.digest))} |"
    yield f"| after | {code(names[1])} | {code(str(found.after.descriptor.digest))} |"
    yield ""
    if found.is_empty:
        yield summary_of_nothing(found)
    for platform in found.only_before:
        yield f"- {code(platform)} is gone"
    for platform in found.only_after:
        yield f"- {code(platform)} is new"
    yield from _values(found.values)
    for image in found.images:
        if not image.is_empty:
            yield from ("", f"### {code(image.platform)}")
            yield from _image(image)


def _image(image: api.ImageDifference) -> Iterator[str]:
    yield from _values(image.values)
    yield from ("", f"**{layers_title(image)}**", "", "| | diff_id | size | layer |", "| --- | --- | ---: | --- |")
    for pair in image.layers:
        layer = pair.after or pair.before
        assert layer is not None
        sign = "" if pair.before and pair.after else "-" if pair.before else "+"
        yield f"| {sign} | {code(layer.diff_id.short)} | {human_size(layer.descriptor.size)} | {code(layer.title)} |"
    yield from ("", f"**{files_title(image.files)}**")
    if image.files:
        yield from ("", "<details><summary>paths</summary>", "", "| | path | |", "| --- | --- | --- |")
        for change in image.files[:_ROWS]:
            yield f"| {SIGNS[change.status]} | {code(api.shown_path(change.path))} | {code(api.change_details(change))} |"
        if len(image.files) > _ROWS:
            yield f"| | and {len(image.files) - _ROWS} more | |"
        yield from ("", "</details>")
    if image.unread:
        yield from ("", unread_note(image))


def _values(values: tuple[api.ValueChange, ...]) -> Iterator[str]:
    if values:
        yield from ("", "| | level | key | before | after |", "| --- | --- | --- | --- | --- |")
    for change in values:
        cells = (change.level, change.key, change.before or "", change.after or "")
        yield f"| {SIGNS[change.status]} | {' | '.join(map(code, cells))} |"
