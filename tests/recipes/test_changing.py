"""Which changes concern an image: those of all that it is made of, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.ci.changes import Changes
from ocibuild.recipes.changing import is_changed
from tests.recipes.support import FACTS, HEAD

SPEC = """\
extends: ../shared.yaml
base: {linux/amd64: "oci:base", linux/arm64: ghcr.io/octocat/base:1}
platforms: [linux/amd64, linux/arm64]
layers:
  - files:
      - {copy: "bin/{{ platform.arch }}", to: /bin/}
      - {copy: site, to: /srv, include: ["*.html", "img/"], exclude: [drafts/]}
      - {copy: "wheels/*.whl", to: /wheels/}
      - {extract: vendor/root.tar, to: /}
      - {template: conf/app.j2, to: /etc/app}
  - archive: vendor/layer.tar
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A checkout with a spec in `app/`."""
    (tmp_path / "app/conf").mkdir(parents=True)
    (tmp_path / "app/conf/app.j2").write_text("a")
    (tmp_path / "shared.yaml").write_text(HEAD + "labels: {a: b}\n")
    (tmp_path / "app/ocibuild.yaml").write_text(HEAD + SPEC)
    return tmp_path


def concerns(top: Path, *changed: str) -> bool:
    (plan,) = api.load([top / "app/ocibuild.yaml"], api.Overrides(), FACTS)
    return is_changed(plan, Changes(top, tuple(sorted({*changed, ".git/"}))))


@pytest.mark.parametrize(
    "path",
    [
        "app/ocibuild.yaml",
        "shared.yaml",
        "app/ocibuild.lock",
        "app/conf/app.j2",
        "app/bin/arm64/hello",
        "app/bin/",
        "app/",
        "app/site/index.html",
        "app/site/deep/index.html",
        "app/site/img/",
        "app/site/new/",
        "app/site/img/a.png",
        "app/wheels/a.whl",
        "app/vendor/root.tar",
        "app/vendor/layer.tar",
        "app/base/index.json",
    ],
)
def test_what_an_image_is_made_of_concerns_it(top: Path, path: str) -> None:
    assert concerns(top, path)


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "other/ocibuild.yaml",
        "ocibuild.lock",
        "app/README.md",
        "app/bin/s390x/hello",
        "app/site/style.css",
        "app/site/drafts/next.html",
        "app/site/drafts/",
        "app/wheels/a.txt",
        "app/wheels/deep/a.whl",
        "app/vendor/other.tar",
        "app/conf/other.j2",
        "app/.ocibuild/",
    ],
)
def test_all_else_does_not(top: Path, path: str) -> None:
    assert not concerns(top, path)


@pytest.mark.parametrize(
    ("item", "changed", "expected"),
    [
        ("{copy: ., to: /srv}", [], False),
        ("{copy: ., to: /srv}", ["app/.ocibuild/"], False),
        ("{copy: ., to: /srv}", ["app/sub/.ocibuild/"], True),
        ("{copy: ., to: /srv, exclude: [node_modules/]}", ["app/node_modules/"], False),
        ("{copy: ., to: /srv}", ["app/node_modules/"], True),
        ("{copy: site, to: /srv, mtime: keep}", [], True),
        ("{copy: site, to: /srv, file_mode: keep}", [], True),
        ("{extract: a.tar, to: /srv, mtime: keep}", [], False),
        ("{text: a, to: /srv}", ["app/a"], False),
    ],
)
def test_what_git_cannot_know_counts_as_changed(top: Path, item: str, changed: list[str], expected: bool) -> None:
    (top / "app/ocibuild.yaml").write_text(f"{HEAD}layers: [{{files: [{item}]}}]\n")
    assert concerns(top, *changed) == expected


def test_a_spec_above_the_checkout_of_its_sources_is_always_built(top: Path) -> None:
    (plan,) = api.load([top / "app/ocibuild.yaml"], api.Overrides(), FACTS)
    assert is_changed(plan, Changes(top / "app/site", (".git/",)))


def test_a_new_branch_has_no_revision_before_it(top: Path) -> None:
    plans = api.load([top / "app/ocibuild.yaml"], api.Overrides(), FACTS)
    assert api.choose_changed(plans, "0" * 40) == api.Chosen(plans, ())
