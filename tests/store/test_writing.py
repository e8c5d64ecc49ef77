from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ocibuild.errors import StoreError, UsageError
from ocibuild.oci.digest import sha256
from ocibuild.store import writeback, writing
from ocibuild.store.abandoned import claim, remove_abandoned
from ocibuild.store.writing import (
    BlobWriter,
    StagedFile,
    disk_errors,
    is_temporary,
    make_directory,
    output_file,
    refuse_unwritable,
    working_directory,
    write_file,
    write_output,
)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_file(tmp_path / "index.json", b"{}")
        with BlobWriter(tmp_path) as blob:
            blob.write(b"abc")
            blob.commit(sha256(b"abc"))
    finally:
        os.umask(before)
    assert (tmp_path / "index.json").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / sha256(b"abc").encoded).stat().st_mode & 0o7777 == 0o444


@pytest.mark.parametrize("piece", [b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"xabcx")[1:4]])
def test_a_blob_takes_every_kind_of_buffer(tmp_path: Path, piece: bytes) -> None:
    with BlobWriter(tmp_path) as blob:
        blob.write(piece)
        blob.write(piece)
        blob.commit(sha256(b"abcabc"))
    assert (tmp_path / sha256(b"abcabc").encoded).read_bytes() == b"abcabc"


def test_a_blob_that_is_not_committed_leaves_nothing(tmp_path: Path) -> None:
    with BlobWriter(tmp_path) as blob:
        blob.write(b"abc")
    with suppress(KeyboardInterrupt), BlobWriter(tmp_path) as blob:
        blob.write(b"abc")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_committed_blob_replaces_a_damaged_one(tmp_path: Path) -> None:
    final = tmp_path / sha256(b"abc").encoded
    final.write_bytes(b"damaged")
    with BlobWriter(tmp_path) as blob:
        blob.write(b"abc")
        blob.commit(sha256(b"abc"))
    assert final.read_bytes() == b"abc"


def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"keep me")
    (tmp_path / "index.json").symlink_to("secret")
    write_file(tmp_path / "index.json", b"{}")
    assert (tmp_path / "secret").read_bytes() == b"keep me"
    assert not (tmp_path / "index.json").is_symlink()


def test_a_path_that_cannot_be_replaced_keeps_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(StoreError) as caught:
        write_file(tmp_path / "taken", b"{}")
    assert caught.value.where == str(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_full_disk_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    """A limit on file sizes stands in for the full disk: it needs no root, and takes the same way through the code."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from ocibuild.errors import StoreError\n"
        "from ocibuild.store.writing import write_file\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    write_file(Path(sys.argv[1]) / 'index.json', bytes(5000))\n"
        "except StoreError as error:\n"
        "    print(error.what, error.where)\n"
    )
    (tmp_path / "index.json").write_bytes(b"before")
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert "cannot write: File too large" in done.stdout
    assert str(tmp_path) in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
    assert (tmp_path / "index.json").read_bytes() == b"before"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "fault"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_what_the_system_refuses_is_told_with_a_way_out(number: int, hint: str) -> None:
    with pytest.raises(StoreError) as caught, disk_errors("write", "/x/blob"):
        raise OSError(number, os.strerror(number))
    assert caught.value.what == f"cannot write: {os.strerror(number)}"
    assert caught.value.where == "/x/blob"
    assert hint in str(caught.value.hint)


def test_a_file_in_the_making_belongs_to_its_process(tmp_path: Path) -> None:
    for name in ("theirs.tmp", "ocibuild-x"):
        (tmp_path / name).touch()
    with killed_in_the_middle("StagedFile(path)", tmp_path), StagedFile(tmp_path) as mine:
        mine.write(b"abc")
        assert len(list(tmp_path.glob("ocibuild-*.tmp"))) == 2
        remove_abandoned(tmp_path, is_temporary)
        assert len(list(tmp_path.glob("ocibuild-*.tmp"))) == 2, "both processes live"
    with StagedFile(tmp_path) as mine:
        remove_abandoned(tmp_path, is_temporary)
        mine.publish(tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "ocibuild-x", "theirs.tmp"]
    remove_abandoned(tmp_path / "missing", is_temporary)


@contextmanager
def killed_in_the_middle(what: str, path: Path) -> Iterator[None]:
    """Another process makes `what`, and is killed with it when the block ends."""
    script = f"""
import sys
from pathlib import Path
from ocibuild.store.writing import StagedFile, working_directory
path = Path(sys.argv[1])
with {what}:
    print("begun", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        yield
        process.kill()


def test_who_is_robbed_of_a_new_file_makes_another(tmp_path: Path) -> None:
    """Between the moment in which a file is there and the one in which it is locked, another run may look at it."""
    (tmp_path / "new").touch()
    with (tmp_path / "new").open() as maker, (tmp_path / "new").open() as other:
        assert claim(other.fileno())
        assert not claim(maker.fileno())
        (tmp_path / "new").unlink()
        other.close()
        assert not claim(maker.fileno()), "it has no name any more"


def test_an_output_follows_links_and_makes_parents(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new/image.tar")
    with output_file(tmp_path / "link") as file:
        file.write(b"abc")
    assert (tmp_path / "new/image.tar").read_bytes() == b"abc"
    assert (tmp_path / "link").is_symlink()


def test_an_output_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"before")
    with suppress(KeyboardInterrupt), output_file(tmp_path / "image.tar") as file:
        file.write(b"abc")
        raise KeyboardInterrupt
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"image.tar": b"before"}


# What a user names for results


def test_a_result_follows_links_and_goes_into_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "null").symlink_to("/dev/null")
    with open(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        for name in ("pipe", "link", "null", "file"):
            refuse_unwritable(tmp_path / name)
            write_output(tmp_path / name, name.encode())
        assert reader.read() == b"pipe"
    assert (tmp_path / "file").read_bytes() == b"file"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "null").is_char_device()


@pytest.mark.parametrize("path", ["directory", "file/result", "missing/result", "file/missing/result", "loop/result"])
def test_what_cannot_be_written_is_refused_before_with_the_same_words(tmp_path: Path, path: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError) as early:
        refuse_unwritable(tmp_path / path)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(StoreError) as late:
        write_output(tmp_path / path, b"")
    told = [(error.value.where, error.value.hint) for error in (early, late)]
    assert told[0] == told[1]
    assert early.value.what == late.value.what


@pytest.mark.parametrize(
    ("path", "made"),
    [("new", ""), ("old", ""), ("nowhere", ""), ("out/a", "out"), ("out/a", "out/layout")],
)
def test_what_may_be_written_in_the_end_is_not_refused(tmp_path: Path, path: str, made: str) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "nowhere").symlink_to("new")
    for in_place in (False, True):
        refuse_unwritable(tmp_path / path, [tmp_path / made] if made else [], in_place=in_place)
    assert (tmp_path / "old").read_text() == "old"
    for missing in ("output/a", "out/deep/a"):
        with pytest.raises(StoreError):
            refuse_unwritable(tmp_path / missing, [tmp_path / "out"])


@pytest.mark.parametrize(("mode", "in_place"), [(0o555, False), (0o644, False), (0o444, True)])
def test_missing_permission_is_noticed_before(tmp_path: Path, mode: int, in_place: bool) -> None:
    """In a process of its own: where root runs the tests, it becomes another user."""
    file = Path("directory/result")
    (tmp_path / "directory").mkdir()
    (tmp_path / file).touch()
    forbidden = file if in_place else file.parent
    (tmp_path / forbidden).chmod(mode)
    tmp_path.chmod(0o755)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        with suppress(BaseException):  # the child must not run the tests on
            os.chdir(tmp_path)
            if os.geteuid() == 0:
                os.setuid(65534)
            try:
                refuse_unwritable(file, in_place=in_place)
            except StoreError as error:
                os.write(writing, f"{error.where}: {error.what}".encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as said:
        assert re.fullmatch(f"{forbidden}: cannot write.*: {os.strerror(errno.EACCES)}", said.read())
    os.waitpid(child, 0)
    (tmp_path / forbidden).chmod(0o755)


def test_an_output_is_never_a_device_or_a_directory(tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path):
        with pytest.raises(UsageError, match="is not a file"), output_file(path):
            pass
    assert not Path("/dev/null").is_file()


def test_a_path_of_the_wrong_kind_is_told_what_it_could_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as for_a_file, output_file(tmp_path):
        pass
    with pytest.raises(StoreError) as for_a_directory:
        make_directory(tmp_path / "file")
    assert f"oci:{tmp_path}" in (for_a_file.value.hint or "")
    assert "oci-archive:FILE" in (for_a_directory.value.hint or "")


@pytest.mark.parametrize(
    ("there", "made", "ignored"),
    [
        ([], ".ocibuild/layout", True),
        ([".ocibuild"], ".ocibuild/layout", False),
        ([], ".ocibuild", False),
        ([], "out/layout", False),
        ([], "out/.ocibuild/layout", False),
    ],
)
def test_git_ignores_our_own_directory_if_we_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str], made: str, ignored: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in there:
        Path(name).mkdir()
    for _ in range(2):
        make_directory(Path(made))
        assert [path.read_text() for path in tmp_path.rglob(".gitignore")] == ["*\n"] * ignored
    for path in tmp_path.rglob(".gitignore"):
        path.write_text("mine")
        make_directory(Path(made))
        assert path.read_text() == "mine"


def test_a_working_directory_is_gone_afterwards_and_one_of_a_killed_run_with_the_next(tmp_path: Path) -> None:
    with working_directory(tmp_path / "new") as work:
        (work / "file").touch()
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / ".ocibuild-uploads").mkdir()
    (tmp_path / ".ocibuild-work-link").symlink_to(tmp_path / ".ocibuild-uploads")
    with killed_in_the_middle("working_directory(path)", tmp_path):
        (other,) = (path for path in tmp_path.glob(".ocibuild-work-*") if not path.is_symlink())
        (other / "layout").mkdir()
        (other / "layout/blob").touch()
        (tmp_path / ".ocibuild-work-begun").mkdir()
        (tmp_path / ".ocibuild-work-half-removed/layout").mkdir(parents=True)
        with working_directory(tmp_path) as work:
            assert (other / "layout/blob").exists(), "it is in use"
    with working_directory(tmp_path) as work:
        names = {path.name for path in tmp_path.iterdir()}
    assert names == {"new", ".ocibuild-uploads", ".ocibuild-work-link", work.name}


def test_the_disk_begins_to_write_a_large_file_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(writing, "begin_writing", lambda fd, offset, length: asked.append((offset, length)))
    with StagedFile(tmp_path) as file:
        for _ in range(5):
            file.write(bytes(5 << 20))
        file.publish(tmp_path / "large")
    assert asked == [(0, 10 << 20), (10 << 20, 10 << 20)]


def test_what_is_not_synced_is_left_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "begin_writing", lambda *asked: pytest.fail("nobody waits for this file"))
    with working_directory(tmp_path) as directory, StagedFile(directory) as file:
        file.write(bytes(20 << 20))
        file.publish(directory / "large")


@pytest.mark.parametrize("known", [True, False])
def test_where_the_system_cannot_be_asked_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if not known:
        monkeypatch.setattr(writeback, "_sync_file_range", lambda: None)
    content = os.urandom(17 << 20)
    with StagedFile(tmp_path) as file:
        file.write(content)
        file.publish(tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == content
