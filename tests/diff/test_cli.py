"""`ocibuild diff`: what it prints, and the exit code that scripts go by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.program import write_tree
from tests.diff.conftest import Cli
from tests.oracles.markdown import read_markdown

SPEC = """\
apiVersion: ocibuild/v1
image: registry.example/team/app
tags: [{tag}]
metadata: {{description: "{description}"}}
config: {{env: {{MODE: "{mode}"}}}}
layers:
  - {{name: low, files: [{{text: low, to: /etc/low}}]}}
  - {{name: app, files: [{{text: "{text}", to: /app}}{more}]}}
"""
BEFORE, AFTER = "oci:.ocibuild/layout:before", "oci:.ocibuild/layout:after"


@pytest.fixture
def images(cli: Cli, tmp_path: Path) -> None:
    """Two images that differ in a file, a new file with a hostile name, an environment variable and a label."""
    odd = r', {text: "", to: "/odd\e[31m|`x`"}, {symlink: /app, to: /link}'
    write_tree(
        tmp_path,
        {
            "before.yaml": SPEC.format(tag="before", description="An app", mode="1", text="one", more=""),
            "after.yaml": SPEC.format(tag="after", description="A | `b`", mode="2", text="three", more=odd),
        },
    )
    assert cli("build", "-q", "-f", "before.yaml", "-f", "after.yaml").status == 0


def test_the_exit_code_tells_whether_they_differ(cli: Cli, images: None) -> None:
    assert cli("diff", "-q", BEFORE, BEFORE).status == 0
    assert cli("diff", "-q", BEFORE, AFTER).status == 1
    assert cli("diff", "-q", BEFORE, "oci:.ocibuild/layout:none").status == 4
    assert cli("diff", "-q", BEFORE).status == 2


def test_text(cli: Cli, images: None) -> None:
    done = cli("diff", "-q", BEFORE, AFTER)
    assert done.stderr == ""
    lines = re.sub(r"[0-9a-f]{64}|\b[0-9a-f]{12}\b", "DIGEST", done.stdout).splitlines()
    assert lines[:2] == [f"--- {BEFORE}  sha256:DIGEST", f"+++ {AFTER}  sha256:DIGEST"]
    assert lines[2:8] == [
        "",
        "linux/amd64:",
        "  ~ config config.Env.MODE: '1' -> '2'",
        "  ~ config config.Labels.org.opencontainers.image.description: 'An app' -> 'A | `b`'",
        "  ~ manifest org.opencontainers.image.description: 'An app' -> 'A | `b`'",
        lines[7],
    ]
    assert re.fullmatch(r"  Layers: \d+B -> \d+B", lines[7])
    assert [line.split()[0] for line in lines[8:11]] == ["DIGEST", "-", "+"]
    assert lines[11:] == [
        "  Files: 2 added, 1 changed",
        "  ~ /app  (size 3B -> 5B, content)",
        "  + /link  (-> /app)",
        r"  + /odd\x1b[31m|`x`  (0B)",
    ]


def test_text_where_nothing_differs(cli: Cli, images: None) -> None:
    assert cli("diff", "-q", BEFORE, BEFORE).stdout.splitlines()[2:] == ["The same image."]


def test_json(cli: Cli, images: None) -> None:
    done = cli("diff", "-q", "--format", "json", BEFORE, AFTER)
    assert done.json["schemaVersion"] == 1
    assert done.json["equal"] is False
    assert done.json["before"]["name"] == BEFORE
    (image,) = done.json["images"]
    assert image["platform"] == "linux/amd64"
    assert [(pair["before"] is None, pair["after"] is None) for pair in image["layers"]] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    files = {one["path"]: one for one in image["files"]}
    assert list(files) == ["/app", "/link", "/odd\x1b[31m|`x`"]
    assert (files["/app"]["status"], files["/app"]["fields"]) == ("changed", ["size", "content"])
    assert files["/app"]["before"] == {
        "kind": "file",
        "mode": "0644",
        "uid": 0,
        "gid": 0,
        "mtime": 0,
        "size": 3,
        "sha256": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        "link": None,
        "device": None,
        "xattrs": {},
    }
    assert files["/link"]["after"]["link"] == "/app"


def test_markdown_is_no_markup_of_others(cli: Cli, images: None) -> None:
    text = cli("diff", "-q", "--format", "markdown", BEFORE, AFTER).stdout
    page = read_markdown(text)
    assert ["~", "manifest", "org.opencontainers.image.description", "An app", "A | `b`"] in page.rows
    assert ["+", r"/odd\x1b[31m|`x`", "0B"] in page.rows
    tables = {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.elements == tables | {"p", "strong", "h3", "details", "summary"}
    assert "**Files: 2 added, 1 changed**" in text


def test_long_lists_are_cut_in_markdown(cli: Cli, tmp_path: Path) -> None:
    many = "".join(f", {{text: x, to: /many/{number}}}" for number in range(300))
    for tag, more in (("before", ""), ("after", many)):
        spec = SPEC.format(tag=tag, description="x", mode="1", text="x", more=more)
        write_tree(tmp_path, {f"{tag}.yaml": spec})
        cli("build", "-q", "-f", f"{tag}.yaml")
    lines = cli("diff", "-q", "--format", "markdown", BEFORE, AFTER).stdout.splitlines()
    assert "| | and 101 more | |" in lines
    assert len(lines) < 250
