"""The report as a document: what is in it, that it is the same each time, and that nothing in it is markup of others."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild import api
from ocibuild.report.markup import embedded, tag, visible
from tests.recipes.support import Desk
from tests.report.conftest import HEAD, Write

HOSTILE = "</script><script>alert(1)</script>"
LAYERS = """
layers:
  - name: low
    files: [{text: base, to: /etc/base}, {text: gone, to: /etc/gone}, {symlink: /etc/base, to: /link}]
  - name: app
    files: [{text: "one", to: /app}, {remove: /etc/gone}, {hardlink: /app, to: /again}]
"""


class Elements(HTMLParser):
    """The names of all elements, and every attribute that could load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.active: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.active += [(name, value) for name, value in attrs if name in ("src", "href", "style") or name[:2] == "on"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(text: str) -> Elements:
    parser = Elements()
    parser.feed(text)
    assert parser.open == []
    return parser


def test_the_page_shows_the_image(desk: Desk, write: Write) -> None:
    (built,) = desk.build(
        HEAD
        + "tags: [v1]\nmetadata: {description: Says hello}\nconfig: {env: {LANG: C.UTF-8}, ports: [80/tcp]}"
        + LAYERS
    )
    page = write("v1")
    for shown in (
        f"oci:{desk.path()}:v1", str(built.descriptor.digest), "linux/amd64", "ocibuild layer app", "Says hello",
        "config.Env.LANG", "config.ExposedPorts.80/tcp", "Nothing is wrong that was looked for.",
    ):  # fmt: skip
        assert shown in page.text


def test_the_files_are_columns(desk: Desk, write: Write) -> None:
    desk.build(HEAD + "tags: [v1]" + LAYERS)
    (data,) = write("v1").data()
    assert data["name"] == ["", "again", "app", "etc", "base", "link"]
    assert data["size"] == [4, 3, 3, 1, 4, 0]
    assert data["links"] == {"2": "/again", "5": "/etc/base"}
    modes = [data["kinds"][number][0] for number in data["attributes"]]
    assert modes == ["drwxr-xr-x", "-rw-r--r--", "hrw-r--r--", "drwxr-xr-x", "-rw-r--r--", "lrwxrwxrwx"]
    assert [data["kinds"][number][2] for number in data["attributes"]] == [1, 2, 2, 2, 1, 1]


def test_layers_tell_what_later_ones_cover(desk: Desk, write: Write) -> None:
    desk.build(HEAD + "tags: [v1]" + LAYERS)
    table = write("v1").text.partition('aria-label="Layers, the lowest first"')[2].partition("</table>")[0]
    row = table.split("<tr>")[2]
    assert re.findall(r'<td class="number">([^<]*)', row)[1:] == ["8B", "2", "4B"]


def test_the_difference_to_another_image(desk: Desk, write: Write) -> None:
    other = LAYERS.replace('"one"', '"two"').replace("/etc/base", "/etc/first")
    desk.build(HEAD + "tags: [v1]" + LAYERS, HEAD + "tags: [v2]\nlabels: {a: b}" + other)
    page = write("v2", against="v1")
    assert f"Difference to oci:{desk.path()}:v1" in page.text
    assert "config.Labels.a" in page.text
    assert "/etc/base" in page.text, "what is gone is listed"
    (data,) = page.data()
    marks = {name: data["kinds"][number][3] for name, number in zip(data["name"], data["attributes"], strict=True)}
    assert marks == {"": "", "again": "~", "app": "~", "etc": "", "first": "+", "link": "~"}


def test_an_index_has_a_part_for_each_image(desk: Desk, write: Write) -> None:
    desk.build(
        HEAD + "tags: [v1]\nplatforms: [linux/amd64, linux/arm64]\nannotations: {index: {a: of the index}}" + LAYERS
    )
    page = write("v1")
    assert len(page.data()) == 2
    assert "linux/arm64" in page.text
    assert "of the index" in page.text


def test_findings_are_shown(desk: Desk, write: Write) -> None:
    desk.build(HEAD + "tags: [v1]\nlabels: {org.opencontainers.image.description: " + "x" * 600 + "}" + LAYERS)
    assert "description-too-long" in write("v1").text


def test_the_same_image_gives_the_same_bytes(desk: Desk, write: Write) -> None:
    desk.build(HEAD + "tags: [v1]" + LAYERS, HEAD + "tags: [v2]" + LAYERS.replace("one", "two"))
    assert write("v2", against="v1").text == write("v2", against="v1").text


def test_nothing_of_the_image_is_markup(desk: Desk, write: Write) -> None:
    plain = HEAD + "tags: [v1]\nlabels: {k: v}\nlayers: [{name: n, files: [{text: x, to: /f}, {symlink: /t, to: /s}]}]"
    hostile = json.dumps(HOSTILE)
    spec = (
        HEAD + f"tags: [v2]\nlabels: {{{hostile}: {hostile}}}\nlayers: [{{name: {hostile}, files: ["
        f'{{text: x, to: "/{HOSTILE}\\u202e\\e[31m"}}, {{symlink: {hostile}, to: /s}}]}}]'
    )
    desk.build(plain, spec)
    page = write("v2", against="v1")
    found = elements(page.text)
    assert found.names.count("script") == 2
    assert found.active == []
    assert HOSTILE not in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", page.text)


@given(st.text())
def test_text_stays_text(text: str) -> None:
    parser = Elements()
    parser.feed(tag("p", text, title=text, aria_label=text))
    assert (parser.names, parser.open, parser.active) == (["p"], [], [])


@given(st.text(), st.text())
def test_data_stays_data(key: str, text: str) -> None:
    inside = embedded({key: [text]}).removeprefix('<script type="application/json" class="data">')[: -len("</script>")]
    assert json.loads(inside) == {key: [text]}
    assert not set(inside) & set("<>&")
    assert inside.isascii()


@pytest.mark.parametrize(
    ("text", "shown"), [("a b\nc", "a b\nc"), ("\x1b[31m", "\\x1b[31m"), ("\u202ex", "\\u202ex"), ("\x00", "\\x00")]
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_the_command(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ocibuild.cli.app import run

    desk.build(HEAD + "tags: [v1]" + LAYERS)
    target = tmp_path / "r.html"
    assert run(["report", "-q", f"oci:{desk.path()}:v1", "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert target.read_bytes() == api.report(desk.at("oci:layout:v1"), desk.places)
    assert run(["report", f"oci:{desk.path()}:v1"]) == 2
