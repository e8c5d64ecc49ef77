"""Input that cannot be used: one message that says what, where and how to mend it, the right exit code, nothing half-done."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.program import Done, temporary_files, write_tree
from tests.fake_registry import MANIFESTS, BasicAuth, FakeRegistry, image_of, index_of

HEAD = "apiVersion: ocibuild/v1\n"
Prepare = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Case:
    """A spec that is wrong (the part after apiVersion), and what must be said of it. Places are LINE:COLUMN."""

    spec: str
    message: str
    place: str
    hint: str
    status: int = 2
    prepare: Prepare = lambda directory: None
    files: Mapping[str, str] = field(default_factory=dict)


def copying(source: str) -> str:
    return f"layers: [{{files: [{{copy: {source}, to: /x/}}]}}]\n"


def socket_at(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


CASES = {
    "unknown key": Case("imagee: x.example/y\n", "`imagee` is not a key", "2:1", "did you mean `image`?"),
    "word of a Dockerfile": Case("FROM: debian\n", "`FROM` is not a key", "2:1", "did you mean `base`?"),
    "key of another tool": Case("name: x.example/y\n", "`name` is not a key", "2:1", "did you mean `image`?"),
    "key of a section": Case("user: '1'\n", "`user` is not a key", "2:1", "write `user` below `config`, indented"),
    "word for a key of a section": Case("license: MIT\n", "`license` is not", "2:1", "write `licenses` below `metadata`"),
    "key that nothing is like": Case("run: [make]\n", "`run` is not a key", "2:1", "its keys are apiVersion, "),
    "unknown key of an item": Case(
        "layers: [{files: [{copi: a, to: /a}]}]\n", "`copi` is not a key", "2:20", "did you mean `copy`?"
    ),
    "wrong type": Case("platforms: linux/amd64\n", "`platforms` has to be a list", "2:12", "write a list"),
    "undefined variable": Case(
        'vars: {version: "1"}\nimage: x.example/y\ntags: ["{{ versio }}"]\n',
        "there is no variable `versio`", "4:12", "did you mean `version`?",
    ),
    "bad reference": Case("image: 'X Y'\n", "'X Y' is not an image reference", "2:8", "HOST/REPOSITORY"),
    "bad base": Case("base: 'oci:'\n", "names no path", "2:7", "oci:PATH"),
    "bad platform": Case("platforms: [linux]\n", "'linux' is not a platform", "2:13", "OS/ARCH"),
    "not YAML": Case("layers: [}\n", "[spec-yaml-syntax]", "2:10", "write one"),
    "duplicate key": Case("image: x.example/y\nimage: x.example/z\n", "`image`", "3:1", "one"),
    "duplicate path": Case(
        "layers: [{files: [{text: a, to: /x}, {text: b, to: /x}]}]\n", "/x is here a second time", "2:38", "keep one",
    ),
    "missing file": Case(copying("nope"), "'nope' does not exist", "2:19", "relative to the directory of the spec", 3),
    "empty glob": Case(
        copying("dist/*.whl"), "*.whl", "2:19", "", 3, files={"dist/other.txt": "x"},
    ),
    "link out of the context": Case(
        copying("evil"), "leads out of the directory of the spec", "2:19", "copy the file there", 3,
        prepare=lambda directory: (directory / "evil").symlink_to("/etc/passwd"),
    ),
    "path through a link out of the context": Case(
        copying("d/evil/passwd"), "leads out of the directory of the spec", "2:19", "copy the file there", 3,
        prepare=lambda directory: (directory / "d/evil").symlink_to("/etc"), files={"d/a": ""},
    ),
    "path out of the context": Case(copying("../x"), "'../x' leaves the directory of the spec", "2:26", "above everything"),
    "FIFO": Case(
        copying("d/"), "d/pipe", "2:19", "`exclude` it", 3, files={"d/a": ""},
        prepare=lambda directory: os.mkfifo(directory / "d/pipe"),
    ),
    "socket": Case(
        copying("d/"), "d/sock", "2:19", "`exclude` it", 3, files={"d/a": ""},
        prepare=lambda directory: socket_at(directory / "d/sock"),
    ),
    "whiteout name": Case(copying("d/"), "d/.wh.x", "2:19", "use `remove`", 3, files={"d/.wh.x": ""}),
    "missing archive": Case("layers: [{archive: no.tar}]\n", "'no.tar' does not exist", "2:10", "", 3),
    "not an archive": Case("layers: [{archive: a.tar}]\n", "a.tar", "2:10", "", 3, files={"a.tar": "no tar" * 200}),
    "archive that is a directory": Case(
        "base: oci-archive:d\n", "d is a directory, and an archive is a file", "2:7", "for a layout write oci:/", 3, files={"d/a": ""},
    ),
    "layout that is a file": Case(
        "base: oci:a\n", "a is a file, and an image layout is a directory", "2:7", "for an archive write oci-archive:/", 3, files={"a": ""},
    ),
    "layout that is not there": Case("base: oci:none\n", "none does not exist", "2:7", "makes an image layout there", 3),
    "no layer": Case("", "has neither a base nor a layer", "1:1", "add `base` or `layers`"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def the_message(done: Done) -> str:
    """The error of a run. There is exactly one, and it ends with a hint."""
    assert done.stdout == ""
    assert len(re.findall(r"(?:^|: )error: ", done.stderr, re.MULTILINE)) == 1, done.stderr
    return done.stderr


def places(stderr: str) -> list[str]:
    return re.findall(r"^(?:  at: )?ocibuild\.yaml:(\d+:\d+)", stderr, re.MULTILINE)


@pytest.mark.parametrize("name", CASES)
def test_a_bad_spec_ends_with_one_message(cli: Cli, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    write_tree(tmp_path, {**case.files, "ocibuild.yaml": HEAD + case.spec})
    case.prepare(tmp_path)
    done = cli("build", "-o", "oci-archive:out.tar")
    assert done.status == case.status
    message = the_message(done)
    assert case.message in message
    assert places(message) == ([case.place] if case.place else [])
    assert case.hint in "".join(re.findall(r"^  hint: (.+)", message, re.MULTILINE))
    assert not (tmp_path / "out.tar").exists()
    assert temporary_files(tmp_path) == []


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.status == 3])
def test_a_layout_holds_what_it_held_before(cli: Cli, name: str, tmp_path: Path) -> None:
    good = HEAD + "image: x.example/y\ntags: [a]\nlayers: [{files: [{text: a, to: /a}]}]\n"
    write_tree(tmp_path, {**CASES[name].files, "good.yaml": good, "ocibuild.yaml": HEAD + CASES[name].spec})
    CASES[name].prepare(tmp_path)
    assert cli("build", "-f", "good.yaml").status == 0
    before = (tmp_path / ".ocibuild/layout/index.json").read_bytes()
    assert cli("build").status == 3
    assert (tmp_path / ".ocibuild/layout/index.json").read_bytes() == before
    assert temporary_files(tmp_path / ".ocibuild") == []


def test_all_that_is_wrong_is_said_in_one_run(cli: Cli, tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + "imagee: a\nplatforms: x\ntags: ['{{ nope }}']\n"})
    done = cli("build")
    assert done.status == 2
    assert places(done.stderr) == ["2:1", "3:12", "4:12"]
    assert done.stderr.endswith("\nthe spec has 3 problems\n")


def test_a_finding_shows_the_line_and_underlines_the_fault(cli: Cli, tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + "vars: {a: '1'}\nlabels: {k: \t'{{ b }}'}\nlayers: [{files: []}]\n"})
    lines = cli("build").stderr.splitlines()
    assert lines[1] == " 3 | labels: {k:  '{{ b }}'}"
    assert lines[2] == "   |                  ^"


def test_a_long_line_is_shown_around_its_fault(cli: Cli, tmp_path: Path) -> None:
    for before, after in ((400, 400), (0, 400), (400, 0)):
        line = f"labels: {{a: '{'x' * before}', b: [1], c: '{'y' * after}'}}\n"
        write_tree(tmp_path, {"ocibuild.yaml": HEAD + line + "layers: [{files: [{text: a, to: /a}]}]\n"})
        _, shown, underlined, *_ = cli("build").stderr.splitlines()
        assert len(shown) < 180
        assert (shown.endswith("..."), shown.startswith(" 2 | ...")) == (after > 0, before > 0)
        assert shown[underlined.index("^") : underlined.rindex("^") + 1] == "[1]"


def test_wide_characters_do_not_move_the_caret(cli: Cli, tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + "labels: {日本語: [1]}\nlayers: [{files: [{text: a, to: /a}]}]\n"})
    _, shown, underlined, *_ = cli("build").stderr.splitlines()
    assert underlined.index("^") == shown.index("[1]") + 3  # three characters of two columns each


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digest", "X Y"], "'X Y' is not an image reference"),
        (["pull", "http://x.example/y"], "an image reference"),
        (["pull", "oci:x"], "oci:x is not in a registry"),
        (["push", "oci:x"], "oci:x is not in a registry\n  hint: what is pushed is named by `-o oci:x`"),
        (["push", "x.example/y:"], "'x.example/y:' is not an image reference: '' is not a tag"),
        (["build", "-f"], "\n  hint: it is `-f PATH`: Spec file, or directory of specs"),
        (["build", "--set"], "\n  hint: it is `--set KEY=VALUE`: Give a variable"),
        (["build", "--cache-dir", "ocibuild.yaml"], "'ocibuild.yaml' is a file\n  hint: name a directory\n"),
        (["build", "--dotenv", "/"], "'/' is a directory\n  hint: name a file\n"),
        (["cache"], "\n  hint: it is one of: `ocibuild cache info`, `ocibuild cache prune`\n"),
        (["push", f"x.example/y@sha256:{'0' * 64}"], "is a digest, and an image is sent to a tag"),
        (["push", "a b"], "'a b' is not an image reference"),
        (["copy", "oci:x", "y z"], "'y z' is not an image reference"),
        (["inspect", "--platform", "x", "oci:y"], "'x' is not a platform"),
        (["push", "--profile", "nope", "127.0.0.1:9/a/b:1"], "there is no registry profile 'nope'"),
        (["build", "--set", "nope=1"], "no spec declares the variable `nope`"),
        (["build", "-t", "BAD TAG"], "BAD TAG"),
        (["build", "--platform", "amd64"], "\nthe command line has one problem\n"),
        (["build", "--push", "-o", "docker-archive:x.tar"], "docker-archive"),
        (["report", "oci:x"], "\n  hint: it is `-o FILE`: The file to write\n"),
        (
            ["attach", "oci:x", "ocibuild.yaml"],
            "\n  hint: it is `--type TYPE`: What it is: the artifact type, a media type, or `spdx` or `cyclonedx` (as JSON) for short\n",
        ),
        (["serve", "ocibuild.yaml"], "`ocibuild copy oci-archive:ocibuild.yaml oci:DIR` makes a layout of an archive"),
        (
            ["serve", "docker-archive:x.tar"],
            "`ocibuild copy docker-archive:x.tar oci:DIR` makes a layout of an archive",
        ),
        (["serve", "oci:x:1.2"], "oci:x:1.2 is one image, and a whole layout is served\n  hint: name oci:x\n"),
        (["serve", "oci:"], "'oci:' names no path"),
    ],
)
def test_a_bad_argument_ends_with_one_message(cli: Cli, arguments: list[str], message: str, tmp_path: Path) -> None:
    spec = "image: x.example/y\ntags: [a]\nlayers: [{files: [{text: a, to: /a}]}]\n"
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + spec})
    done = cli(*arguments)
    assert done.status == 2
    assert message in the_message(done)
    assert "\n  hint: " in done.stderr


def test_a_registry_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + "base: 127.0.0.1:9/x/y:1\n"})
    done = cli("build", "-o", "oci:out")
    assert done.status == 4
    message = the_message(done)
    assert "127.0.0.1:9" in message
    assert "  hint: " in message
    assert not (tmp_path / "out").exists()


def test_a_registry_that_refuses_for_want_of_a_login(cli: Cli, tmp_path: Path, fake_registry: FakeRegistry) -> None:
    fake_registry.auth = BasicAuth("alice", "secret")
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + f"base: {fake_registry.host}/x/y:1\n"})
    done = cli("build")
    assert done.status == 5
    assert "ocibuild login" in the_message(done)


def test_a_registry_without_the_base(cli: Cli, tmp_path: Path, fake_registry: FakeRegistry) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + f"base: {fake_registry.host}/x/y:1\n"})
    done = cli("build")
    assert done.status == 4
    assert f"{fake_registry.host}/x/y:1" in the_message(done)


def test_a_registry_that_fails_for_good(cli: Cli, tmp_path: Path, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("GET", MANIFESTS).status(400)
    fake_registry.add_image("x/y", image_of(), "1")
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + f"base: {fake_registry.host}/x/y:1\n"})
    done = cli("build")
    assert done.status == 4
    the_message(done)


def test_a_base_without_the_platform_says_which_there_are(
    cli: Cli, tmp_path: Path, fake_registry: FakeRegistry
) -> None:
    images = (image_of(architecture="amd64"), image_of(architecture="arm64"))
    fake_registry.add_image("x/y", index_of(*images), "1")
    spec = f"platforms: [linux/s390x]\nbase: {fake_registry.host}/x/y:1\n"
    write_tree(tmp_path, {"ocibuild.yaml": HEAD + spec})
    done = cli("build", "-o", "oci:out")
    assert done.status == 3
    message = the_message(done)
    assert "has no image for linux/s390x" in message
    assert places(message) == ["3:7"]
    assert "there are: linux/amd64, linux/arm64" in message
    assert not (tmp_path / "out").exists()
