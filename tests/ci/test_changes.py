"""What git knows to have changed: never less than what did, whatever settings, links and submodules there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.ci.changes import Changes, changes_since, checkout_of, is_lost
from ocibuild.errors import UsageError
from tests.ci.conftest import Checkout


def changed(checkout: Checkout, revision: str = "HEAD") -> list[str]:
    """The paths that differ, git's own directory aside."""
    return [path for path in changes_since(checkout.directory, revision).paths if path != ".git/"]


def write(checkout: Checkout, **files: str) -> None:
    for name, text in files.items():
        path = checkout.directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_nothing_has_changed_after_a_commit(checkout: Checkout) -> None:
    assert changed(checkout) == []
    (checkout.directory / "tracked").write_text("one\n")  # other times, the same content
    assert changed(checkout) == []


def test_changed_added_deleted_renamed_and_untracked_paths_are_told(checkout: Checkout) -> None:
    write(checkout, changed="1", deleted="1", renamed="a long enough text", a__b="1")
    (checkout.directory / "run").write_text("x")
    since = checkout.commit()
    write(checkout, changed="2", committed="1", ü="1", out__deep__er="1", a__new="1")
    checkout("mv", "renamed", "elsewhere")
    (checkout.directory / "deleted").unlink()
    (checkout.directory / "run").chmod(0o755)
    checkout("add", "committed", "changed")
    checkout("commit", "-q", "-m", "two")
    assert changed(checkout, since) == sorted(
        ["changed", "committed", "deleted", "renamed", "elsewhere", "run", "ü", "out/", "a/new"]
    )


def test_ignored_files_are_not_known_to_be_the_same(checkout: Checkout) -> None:
    write(checkout, **{".gitignore": "dist\n*.o\n", "a__b.o": "1", "a__c": "1", "dist__app": "1"})
    checkout.commit()
    assert changed(checkout) == ["a/b.o", "dist/"]


def test_settings_and_attributes_hide_nothing(checkout: Checkout) -> None:
    write(checkout, kept="1", **{".gitattributes": "* -diff\n", "sub__file": "1"})
    checkout.commit()
    for name, value in (
        ("diff.relative", "true"),
        ("diff.external", "false"),
        ("diff.renames", "copies"),
        ("core.quotePath", "true"),
    ):
        checkout("config", name, value)
    write(checkout, kept="2", sub__file="2")
    assert [
        path for path in changes_since(checkout_of(checkout.directory / "sub"), "HEAD").paths if path != ".git/"
    ] == [
        "kept",
        "sub/file",
    ]


def test_files_that_git_does_not_look_at_are_unknown(checkout: Checkout) -> None:
    write(checkout, assumed="1", skipped="1")
    checkout.commit()
    checkout("update-index", "--assume-unchanged", "assumed")
    checkout("update-index", "--skip-worktree", "skipped")
    assert changed(checkout) == ["assumed", "skipped"]


def test_submodules_are_unknown(checkout: Checkout) -> None:
    checkout("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    (checkout.directory / "module").mkdir()
    since = checkout("commit", "-q", "-m", "two") or checkout("rev-parse", "HEAD")
    assert "module/" in changed(checkout, since)


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "", "HEAD:tracked"])
def test_what_is_no_revision_is_refused(checkout: Checkout, revision: str) -> None:
    with pytest.raises(UsageError) as caught:
        changes_since(checkout.directory, revision)
    assert "fetch-depth" in str(caught.value.hint)


def test_a_tree_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        checkout_of(tmp_path)


def test_a_commit_that_is_not_here_is_told_from_a_name_that_is_wrong(checkout: Checkout) -> None:
    assert is_lost(checkout.directory, "1" * 40)
    assert is_lost(checkout.directory, "1" * 64)
    assert not is_lost(checkout.directory, checkout("rev-parse", "HEAD"))
    for name in ("nowhere", "HEAD", "1" * 39, "-" + "1" * 39):
        assert not is_lost(checkout.directory, name)


PATHS = Changes(Path("/nowhere/top"), (".git/", "a/b", "a/c/d", "dist/", "z"))


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("a", ["b", "c/d"]),
        ("a/c", ["d"]),
        ("a/c/d", [""]),
        ("a/b", [""]),
        ("a/bb", []),
        ("aa", []),
        ("dist", [""]),
        ("dist/app/x", [""]),
        ("dist2", []),
        ("z", [""]),
        (".", [".git/", "a/b", "a/c/d", "dist/", "z"]),
        ("..", [""]),
        ("../beside", [""]),
        ("..a", []),
    ],
)
def test_changes_are_told_by_place(path: str, below: list[str]) -> None:
    assert list(PATHS.below(PATHS.top / path)) == below
    assert PATHS.touches(PATHS.top / path) == bool(below)


def test_links_are_changes_where_they_stand_and_where_they_lead(checkout: Checkout) -> None:
    write(checkout, one__file="1", two__file="1", other="1")
    (checkout.directory / "link").symlink_to("one")
    since = checkout.commit()
    link, through = checkout.directory / "link", checkout.directory / "link/file"
    assert not changes_since(checkout.directory, since).touches(through)
    write(checkout, one__file="2")
    assert changes_since(checkout.directory, since).touches(link)
    assert changes_since(checkout.directory, since).touches(through)
    write(checkout, one__file="1")
    link.unlink()
    link.symlink_to("two")
    assert changes_since(checkout.directory, since).touches(link)
    assert changes_since(checkout.directory, since).touches(through)
    assert not changes_since(checkout.directory, since).touches(checkout.directory / "two")
