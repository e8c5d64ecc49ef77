"""Sources come from the spec's directory and below: what leads out of it is refused, however it leads there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocibuild.plan import Copy, Extract, Item
from tests.layers.building import at, build_items, make_tar, refused, write_tree


@pytest.fixture
def context(tmp_path: Path) -> Path:
    write_tree(tmp_path / "outside", {"secret": "secret", "d/secret": "secret"})
    make_tar(tmp_path / "outside/a.tar", [("secret", b"secret")])
    return write_tree(tmp_path / "context", {"f": "content", "d/e/g": "deep"})


def copy(source: str) -> Copy:
    return Copy(source, "/x", origin=at(7))


def extract(source: str) -> Extract:
    return Extract(source, "/", origin=at(7))


@pytest.mark.parametrize("source", ["../outside/secret", "d/../../outside/secret", "..", "d/../..", "../context/f"])
def test_dots_do_not_lead_out(context: Path, source: str) -> None:
    for item in (copy(source), extract(source)):
        error = refused(context, item)
        assert error.what == f"{source!r} leads out of the directory of the spec"
        assert error.where == "ocibuild.yaml:7:5"


@pytest.mark.parametrize("item", [copy("/etc/passwd"), extract("/a.tar"), copy("//f")])
def test_absolute_sources_are_refused(context: Path, item: Item) -> None:
    error = refused(context, item)
    assert "is absolute" in error.what
    assert error.where == "ocibuild.yaml:7:5"


@pytest.mark.parametrize("target", ["../outside/secret", "/etc/passwd", "d/../../outside/secret", "../outside/a.tar"])
def test_links_do_not_lead_out(context: Path, target: str) -> None:
    (context / "link").symlink_to(target)
    for item in (copy("link"), extract("link")):
        error = refused(context, item)
        assert error.what == "'link' is a link that leads out of the directory of the spec"
        assert error.where == "ocibuild.yaml:7:5"


@pytest.mark.parametrize("directory", ["../outside", "/etc", "."])
def test_directories_that_are_links_do_not_lead_out_either(context: Path, directory: str) -> None:
    (context / "away").symlink_to(directory)
    source = "away/secret" if directory != "." else "away/../outside/secret"
    assert "leads out of the directory of the spec" in refused(context, copy(source)).what


def test_a_chain_of_links_is_followed_to_where_it_ends(context: Path) -> None:
    (context / "one").symlink_to("d/two")
    (context / "d/two").symlink_to("../three")
    (context / "three").symlink_to(f"{context}/d/e/g")
    assert build_items(context, copy("one")).content("x") == b"deep"
    (context / "d/two").unlink()
    (context / "d/two").symlink_to("../../outside/secret")
    assert "leads out" in refused(context, copy("one")).what


def test_links_inside_are_followed_as_sources(context: Path) -> None:
    (context / "link").symlink_to("d")
    (context / "absolute").symlink_to(context / "f")
    assert build_items(context, copy("link")).names == ["x/", "x/e/", "x/e/g"]
    assert build_items(context, copy("link/e/../e/g")).content("x") == b"deep"
    assert build_items(context, copy("absolute")).content("x") == b"content"
    assert build_items(context, Copy("absolute", "/x/")).names == ["x/", "x/absolute"]


def test_the_context_itself_may_be_reached_through_a_link(context: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(context)
    (context / "absolute").symlink_to(context / "f")
    assert build_items(tmp_path / "link", copy("absolute")).content("x") == b"content"


@pytest.mark.parametrize(("name", "target"), [("a", "a"), ("a", "b"), ("b", "./../context/b")])
def test_links_in_a_ring_are_refused(context: Path, name: str, target: str) -> None:
    (context / "b").symlink_to("a")
    if name == "a":
        (context / "a").symlink_to(target)
        assert "chain of links without an end" in refused(context, copy("a")).what
    else:
        (context / "a").symlink_to(f"{context}/b")
        assert "chain of links without an end" in refused(context, copy("b/x")).what


@pytest.mark.parametrize("source", ["nothing", "d/nothing", "dangling", "nothing/x"])
def test_a_missing_source(context: Path, source: str) -> None:
    (context / "dangling").symlink_to("nothing")
    for item in (copy(source), extract(source)):
        error = refused(context, item)
        assert error.what == f"{source!r} does not exist"
        assert error.where == "ocibuild.yaml:7:5"
        assert "was the step that makes this file run?" in str(error.hint)


def test_a_file_is_no_directory(context: Path) -> None:
    assert refused(context, copy("f/x")).what == "'f/x' cannot be read: Not a directory"


@pytest.mark.parametrize("source", ["a\0b", "a\ud800b"])
def test_names_that_no_file_can_have(context: Path, source: str) -> None:
    error = refused(context, copy(source))
    assert "cannot be the name of a file" in error.what
    assert error.where == "ocibuild.yaml:7:5"


def test_a_directory_is_no_archive(context: Path) -> None:
    error = refused(context, extract("d"))
    assert (error.what, error.where) == ("'d' is no file", "ocibuild.yaml:7:5")


def test_names_are_utf8_whatever_they_are_called_on_disk(context: Path) -> None:
    write_tree(context, {"größe": "1"})
    (context / os.fsdecode(b"\xff")).write_text("2")
    assert build_items(context, copy("größe")).content("x") == b"1"
    assert build_items(context, copy(os.fsdecode(b"\xff"))).content("x") == b"2"
    assert build_items(context, Copy("größe", "/x/")).names == ["x/", "x/größe"]


def test_what_this_user_may_not_read(context: Path) -> None:
    (context / "f").chmod(0)
    if os.access(context / "f", os.R_OK):
        pytest.skip("root may read everything")
    error = refused(context, copy("f"))
    assert error.what == f"{context}/f cannot be read: Permission denied"
    (context / "d").chmod(0)
    assert "cannot be read: Permission denied" in refused(context, copy(".")).what
