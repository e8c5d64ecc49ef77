"""The real inputs: that they hold what other tests use them for, and that they are made only once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpora.cache import made_once
from tests.corpora.root_file_systems import Mirror, configured_mirror
from tests.peers.programs import call


def files_in(root: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(root) as listing:
        for item in listing:
            if item.is_dir(follow_symlinks=False):
                yield from files_in(Path(item.path))
            else:
                yield item


def test_python_packages_are_many_and_large(python_packages: Path) -> None:
    sizes = [item.stat(follow_symlinks=False).st_size for item in files_in(python_packages)]
    assert len(sizes) > 10_000
    assert sum(sizes) > 250_000_000
    assert max(sizes) > 10_000_000


def test_javascript_packages_are_very_many_small_files(javascript_packages: Path) -> None:
    sizes = [item.stat(follow_symlinks=False).st_size for item in files_in(javascript_packages)]
    assert len(sizes) > 50_000
    assert sorted(sizes)[len(sizes) // 2] < 2_000


def test_busybox_root_runs_a_shell_and_is_hard_to_pack(busybox_root: Path) -> None:
    assert call("chroot", busybox_root, "/bin/sh", "-c", "id -un; ls / | head -n 1").stdout == "root\nbin\n"
    assert (busybox_root / "bin/suid-sh").stat().st_mode & 0o7777 == 0o6755
    assert os.listxattr(busybox_root / "bin/net-ping") == ["security.capability"]
    assert (busybox_root / "bin/sh").stat().st_nlink == 3
    assert (busybox_root / "bin/ls").is_symlink()


def test_debian_root_lists_its_packages_and_has_no_devices(debian_root: Path) -> None:
    assert "ii  base-files" in call("chroot", debian_root, "/bin/sh", "-c", "dpkg -l | head -n 20").stdout
    assert not any(path.is_block_device() or path.is_char_device() for path in (debian_root / "dev").iterdir())
    assert not (debian_root / "proc").is_mount()


def test_a_corpus_is_made_once_and_never_left_half_made(tmp_path: Path) -> None:
    made: list[str] = []

    def make(directory: Path) -> None:
        made.append("begun")
        (directory / "file").write_text(str(len(made)))
        if len(made) == 1:
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        made_once("corpus", "recipe", make, tmp_path)
    first = made_once("corpus", "recipe", make, tmp_path)
    assert (first / "file").read_text() == "2"
    assert made_once("corpus", "recipe", make, tmp_path) == first
    assert (made_once("corpus", "another recipe", make, tmp_path) / "file").read_text() == "3"
    assert not first.exists()
    assert len(made) == 3


DEB822 = """\
Types: deb
# snapshot
URIs: http://m/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://s/
Suites: trixie-security
Components: main
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("sources.list", "# deb http://old/ trixie main\ndeb http://m/debian trixie main contrib\n", None),
        ("sources.list", "deb [arch=amd64 signed-by=/k.gpg] http://m/debian trixie main\n", "/k.gpg"),
        ("sources.list.d/a.list", "deb-src http://m/ trixie main\ndeb http://m/debian trixie main\n", None),
        (
            "sources.list.d/debian.sources",
            DEB822,
            "/k.gpg",
        ),
    ],
)
def test_the_mirror_is_read_from_apts_settings(tmp_path: Path, name: str, text: str, expected: str | None) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/tool.list").write_text("deb http://tool/ stable main\n")
    (tmp_path / name).write_text(text)
    assert configured_mirror(tmp_path, "trixie") == Mirror("http://m/debian", "trixie", expected)
