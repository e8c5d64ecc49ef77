"""`copy`: files, trees and patterns of the context."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ocibuild.plan import Attributes, Copy
from tests.layers.building import at, build_items, build_tree, refused, write_tree


def test_a_file_under_the_name_that_is_given(tmp_path: Path) -> None:
    write_tree(tmp_path, {"dist/hello": "#!/bin/sh\n"})
    layer = build_items(tmp_path, Copy("dist/hello", "/usr/local/bin/hallo", mode=0o755))
    assert layer.names == ["usr/", "usr/local/", "usr/local/bin/", "usr/local/bin/hallo"]
    assert layer.content("usr/local/bin/hallo") == b"#!/bin/sh\n"
    assert layer["usr/local/bin/hallo"].mode == 0o755


@pytest.mark.parametrize("source", ["dist/hello", "dist//hello", "./dist/./hello", "dist/../dist/hello"])
@pytest.mark.parametrize("to", ["/bin/", "/bin//"])
def test_a_file_into_a_directory_keeps_its_name(tmp_path: Path, source: str, to: str) -> None:
    write_tree(tmp_path, {"dist/hello": ""})
    assert build_items(tmp_path, Copy(source, to)).names == ["bin/", "bin/hello"]


def test_a_file_into_the_root(tmp_path: Path) -> None:
    write_tree(tmp_path, {"hello": ""})
    assert build_items(tmp_path, Copy("hello", "/")).names == ["hello"]


@pytest.mark.parametrize("to", ["/srv/www", "/srv/www/"])
def test_a_directory_gives_its_content(tmp_path: Path, to: str) -> None:
    write_tree(tmp_path, {"site/index.html": "", "site/img/a.png": "", "site/empty/": ""})
    names = ["srv/", "srv/www/", "srv/www/empty/", "srv/www/img/", "srv/www/img/a.png", "srv/www/index.html"]
    assert build_items(tmp_path, Copy("site", to)).names == names


def test_the_whole_context_into_the_root_without_our_own_directory(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a/b": "", ".ocibuild/layout/index.json": "", "sub/.ocibuild/f": "", ".hidden": ""})
    assert build_tree(tmp_path).names == [".hidden", "a/", "a/b", "sub/", "sub/.ocibuild/", "sub/.ocibuild/f"]
    assert build_items(tmp_path, Copy("sub", "/")).names == [".ocibuild/", ".ocibuild/f"]


def test_an_empty_directory_is_copied(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert build_items(tmp_path, Copy("empty", "/data")).names == ["data/"]
    assert build_items(tmp_path, Copy("empty", "/")).names == []


SITE = {
    "index.html": "",
    "app.js": "",
    "drafts/a.html": "",
    "drafts/img/b.png": "",
    "docs/a.html": "",
    "docs/deep/b.html": "",
    "docs/deep/b.txt": "",
    "img/c.png": "",
    "void/": "",
}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["**/*.html"], ["drafts/"], ["docs/", "docs/a.html", "docs/deep/", "docs/deep/b.html", "index.html"]),
        (["*.png"], [], ["drafts/", "drafts/img/", "drafts/img/b.png", "img/", "img/c.png"]),
        (["/*.html"], [], ["index.html"]),
        (["docs/"], ["*.txt"], ["docs/", "docs/a.html", "docs/deep/", "docs/deep/b.html"]),
        (["docs/*", "!docs/deep/"], [], ["docs/", "docs/a.html"]),
        (["void/"], [], ["void/"]),
        ([], ["/docs", "/drafts", "img", "void"], ["app.js", "index.html"]),
        ([], ["*", "!/app.js"], ["app.js"]),
        ([], ["drafts", "!drafts/a.html", "docs", "img", "void"], ["app.js", "index.html"]),
        (["# a comment", "", "app.*"], [], ["app.js"]),
    ],
)
def test_include_and_exclude_are_gitignore_patterns(
    tmp_path: Path, include: list[str], exclude: list[str], expected: list[str]
) -> None:
    write_tree(tmp_path, SITE)
    item = Copy(".", "/", include=tuple(include), exclude=tuple(exclude))
    assert build_items(tmp_path, item).names == expected


def test_patterns_are_relative_to_the_source_and_not_to_the_spec(tmp_path: Path) -> None:
    write_tree(tmp_path, {"site/docs/a": "", "site/a": ""})
    assert build_items(tmp_path, Copy("site", "/", include=("/a",))).names == ["a"]


@pytest.mark.parametrize("include", [("*.exe",), ("*.exe", "site/*"), ("**/docs/nothing",)])
def test_patterns_that_match_nothing_are_refused(tmp_path: Path, include: tuple[str, ...]) -> None:
    write_tree(tmp_path, SITE)
    error = refused(tmp_path, Copy(".", "/", include=include, origin=at(9)))
    assert error.what.startswith("nothing in '.' matches '*")
    assert error.where == "ocibuild.yaml:9:5"


def test_a_wildcard_that_matches_nothing_is_told_as_it_was_written(tmp_path: Path) -> None:
    write_tree(tmp_path, SITE)
    error = refused(tmp_path, Copy(".", "/", include=("/*.jar",), origin=at(9)))
    assert error.what == "nothing in '.' matches '*.jar'"


def test_excluding_all_is_allowed(tmp_path: Path) -> None:
    write_tree(tmp_path, SITE)
    assert build_items(tmp_path, Copy(".", "/srv", exclude=("*",))).names == ["srv/"]


def test_patterns_are_for_directories(tmp_path: Path) -> None:
    write_tree(tmp_path, {"f": ""})
    error = refused(tmp_path, Copy("f", "/f", exclude=("*",), origin=at(1)))
    assert error.what == "'f' is a file, and a file has nothing to include or exclude"
    assert error.where == "ocibuild.yaml:1:5"


def test_mode_is_for_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    error = refused(tmp_path, Copy("d", "/d", mode=0o755, origin=at(1)))
    assert error.what == "'d' is a directory, and `mode` is for a single file"
    assert "dir_mode" in str(error.hint)


def test_links_in_a_tree_stay_links_wherever_they_lead(tmp_path: Path) -> None:
    write_tree(tmp_path, {"d/f": "x"})
    targets = {"in": "f", "out": "/etc/shadow", "up": "../../..", "dangling": "nothing", "loop": "loop"}
    for name, target in targets.items():
        (tmp_path / "d" / name).symlink_to(target)
    layer = build_items(tmp_path, Copy("d", "/"))
    assert {member.name: member.linkname for member in layer.members if member.issym()} == targets


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(("make", "kind"), [(make_fifo, "a FIFO"), (make_socket, "a socket")])
@pytest.mark.parametrize("source", [".", "d", "d/odd"])
def test_what_no_program_left_as_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, kind: str, source: str
) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be longer than about 100 bytes
    make(Path("d/odd"))  # type: ignore[operator]
    error = refused(tmp_path, Copy(source, "/x", origin=at(4)))
    assert error.what == f"{tmp_path}/d/odd is {kind}, which cannot be copied into an image"
    assert error.where == "ocibuild.yaml:4:5"
    assert "exclude" in str(error.hint)


def test_what_is_refused_can_be_excluded(tmp_path: Path) -> None:
    write_tree(tmp_path, {"f": "", ".wh.x": ""})
    os.mkfifo(tmp_path / "fifo")
    assert build_items(tmp_path, Copy(".", "/", exclude=("fifo", ".wh.*"))).names == ["f"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a device")
def test_devices_are_refused(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", 0o20666, os.makedev(1, 3))
    assert "is a device" in refused(tmp_path, Copy(".", "/")).what


@pytest.mark.parametrize("name", [".wh.gone", ".wh..wh..opq", ".wh.", ".wh.d/f"])
def test_whiteouts_among_the_sources_are_refused(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, {f"d/{name}": ""})
    error = refused(tmp_path, Copy("d", "/x", origin=at(2)))
    assert "names that begin with `.wh.` mean a removal" in error.what
    assert "`remove`" in str(error.hint)
    assert error.where == "ocibuild.yaml:2:5"


def test_a_whiteout_name_is_refused_as_a_target_but_not_as_the_name_of_a_source(tmp_path: Path) -> None:
    write_tree(tmp_path, {".wh.f": "x"})
    assert "cannot be in an image" in refused(tmp_path, Copy(".wh.f", "/d/")).what
    assert build_items(tmp_path, Copy(".wh.f", "/f")).content("f") == b"x"


def test_deep_trees_end_in_a_message(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * 202)).mkdir(parents=True)
    assert "more than 200 directories deep" in refused(tmp_path, Copy(".", "/")).what
    (tmp_path / "shallow" / "/".join("d" * 199)).mkdir(parents=True)
    assert len(build_items(tmp_path, Copy("shallow", "/")).names) == 199


def test_hard_links_on_disk_are_hard_links_in_the_layer(tmp_path: Path) -> None:
    write_tree(tmp_path, {"b/one": "content"})
    for name in ("a", "b/two", "z"):
        os.link(tmp_path / "b/one", tmp_path / name)
    layer = build_tree(tmp_path)
    assert layer.names == ["a", "b/", "b/one", "b/two", "z"]
    assert [(m.name, m.linkname) for m in layer.members if m.islnk()] == [("b/one", "a"), ("b/two", "a"), ("z", "a")]
    assert layer.content("a") == b"content"


def test_a_file_whose_other_names_stay_behind_is_a_plain_file(tmp_path: Path) -> None:
    write_tree(tmp_path, {"in/f": "content", "out/": ""})
    os.link(tmp_path / "in/f", tmp_path / "out/g")
    assert build_items(tmp_path, Copy("in", "/")).content("f") == b"content"


def test_hard_links_across_items_are_one_file_unless_their_attributes_differ(tmp_path: Path) -> None:
    write_tree(tmp_path, {"bin/git": "content", "libexec/": ""})
    os.link(tmp_path / "bin/git", tmp_path / "libexec/git")
    both = build_items(tmp_path, Copy("bin", "/bin"), Copy("libexec", "/libexec"))
    assert both["libexec/git"].linkname == "bin/git"
    other = Copy("libexec", "/libexec", attributes=Attributes(owner=(1, 1)))
    apart = build_items(tmp_path, Copy("bin", "/bin"), other)
    assert apart["libexec/git"].isreg()
    assert (apart["bin/git"].uid, apart["libexec/git"].uid) == (0, 1)
    assert apart.content("libexec/git") == b"content"
