"""The whole page: one file that asks for nothing else, with its own style and script, which alone may act (CSP by hash)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from string import Template

from ocibuild.report import sections
from ocibuild.report.files import file_columns
from ocibuild.report.markup import Markup, embedded, tag, together
from ocibuild.report.model import ImageContents, Report, layer_sums

_PARTS = Path(__file__).resolve().parent


def render(report: Report) -> bytes:
    """The page, the same bytes for the same report."""
    style, script = _part("page.css"), _part("page.js")
    return (
        Template(_part("page.html"))
        .substitute(
            title=together(report.name),
            style=style,
            script=script,
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
            body=together(*_body(report)),
            version=together(report.version),
        )
        .encode()
    )


def _part(name: str) -> str:
    return (_PARTS / name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _body(report: Report) -> Iterator[Markup]:
    root = report.root.descriptor
    yield tag(
        "header",
        tag("h1", report.name),
        tag("p", tag("code", str(root.digest)), class_="digest"),
        tag("p", root.media_type, class_="hint"),
        tag("p", "Compared with ", tag("code", report.against)) if report.against else "",
    )
    yield sections.findings(report.findings)
    if report.annotations:
        yield sections.annotation_table([("index", report.annotations)], level=2)
    for number, contents in enumerate(report.contents):
        yield _image(contents, report, is_first=number == 0)


def _image(contents: ImageContents, report: Report, *, is_first: bool) -> Markup:
    image, sums = contents.image, layer_sums(contents)
    found = contents.difference
    marks = {change.path: "+" if change.before is None else "~" for change in found.files} if found else {}
    parts = (
        tag("p", tag("code", str(image.node.descriptor.digest)), class_="digest")
        if image.node is not report.root
        else "",
        sections.image_facts(contents, sums),
        sections.difference(found, report.against) if found and report.against else "",
        sections.layers(contents, sums),
        sections.section("Files", _browser(contents, marks)),
        sections.config(contents),
        sections.image_annotations(contents),
    )
    title = tag("summary", tag("h2", image.platform))
    return tag("details", title, *parts, class_="image", open="" if is_first else None)


def _browser(contents: ImageContents, marks: dict[bytes, str]) -> Markup:
    """What page.js brings to life."""
    return tag(
        "div",
        tag("noscript", tag("p", "The map of sizes and the list of files need the script of this page.")),
        embedded(file_columns(contents.tree, marks)),
        class_="browser",
    )
