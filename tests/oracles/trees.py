"""Compares two directory trees in everything that a layer can say about a file."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree, below its root."""

    path: str
    facts: os.stat_result


def differences(expected: Path, found: Path, *, owners: bool = True, mtimes: bool = False) -> list[str]:
    """Every way in which `found` is not `expected`, a line each; empty if they are the same.

    Names, kinds, modes (setuid bits too), owners, link targets, device numbers, contents, hard links and xattrs
    count; `owners` is for readers that are not root, `mtimes` (whole seconds) for images that keep them. The two roots
    themselves are not compared: an image need not say anything about `/`.
    """
    left = {entry.path: entry for entry in _walk(expected, "")}
    right = {entry.path: entry for entry in _walk(found, "")}
    lines = [f"{path!a}: missing" for path in sorted(left.keys() - right.keys())]
    lines += [f"{path!a}: not expected" for path in sorted(right.keys() - left.keys())]
    for path in sorted(left.keys() & right.keys()):
        facts = zip(
            _facts(expected, left[path], owners=owners, mtimes=mtimes),
            _facts(found, right[path], owners=owners, mtimes=mtimes),
            strict=False,
        )
        lines += [
            f"{path!a}: {name} {ours!a}, found {theirs!a}" for (name, ours), (_, theirs) in facts if ours != theirs
        ]
        if _same_size(left[path], right[path]) and not _same_content(expected / path, found / path):
            lines.append(f"{path!a}: other content")
    return lines + _link_differences(left, right)


def _walk(root: Path, below: str) -> Iterator[Entry]:
    with os.scandir(root / below) as listing:
        for item in listing:
            path = f"{below}/{item.name}" if below else item.name
            yield Entry(path, item.stat(follow_symlinks=False))
            if item.is_dir(follow_symlinks=False):
                yield from _walk(root, path)


def _facts(root: Path, entry: Entry, *, owners: bool, mtimes: bool) -> Iterator[tuple[str, object]]:
    """What is said of one entry, the kind first: only entries of one kind say the same things."""
    facts = entry.facts
    kind = KINDS[stat.S_IFMT(facts.st_mode)]
    yield "kind", kind
    if kind != "symlink":
        yield "mode", f"{stat.S_IMODE(facts.st_mode):04o}"
    if owners:
        yield "owner", f"{facts.st_uid}:{facts.st_gid}"
    if mtimes:
        yield "mtime", int(facts.st_mtime)
    yield "xattrs", _xattrs(root / entry.path)
    if kind == "file":
        yield "size", facts.st_size
    elif kind == "symlink":
        yield "target", str((root / entry.path).readlink())
    elif kind.endswith("device"):
        yield "device", f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"


def _xattrs(path: Path) -> dict[str, bytes]:
    """The attributes that belong to an image: file capabilities and the user's own, not the machine's labels."""
    names = os.listxattr(path, follow_symlinks=False)
    wanted = [name for name in sorted(names) if name == "security.capability" or name.startswith("user.")]
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in wanted}


def _same_size(left: Entry, right: Entry) -> bool:
    both = left.facts, right.facts
    return all(stat.S_ISREG(facts.st_mode) for facts in both) and both[0].st_size == both[1].st_size


def _same_content(left: Path, right: Path) -> bool:
    with left.open("rb", buffering=0) as ours, right.open("rb", buffering=0) as theirs:
        while chunk := ours.read(CHUNK):
            if chunk != theirs.read(CHUNK):
                return False
    return True


def _link_differences(left: dict[str, Entry], right: dict[str, Entry]) -> list[str]:
    ours, theirs = _link_groups(left), _link_groups(right)
    lines = [f"{sorted(group)!a}: no longer hard links of one file" for group in ours - theirs]
    lines += [f"{sorted(group)!a}: hard links of one file, not expected" for group in theirs - ours]
    return sorted(lines)


def _link_groups(entries: dict[str, Entry]) -> set[frozenset[str]]:
    """The sets of paths that are one file. Names outside the tree are no part of them."""
    groups: dict[tuple[int, int], set[str]] = defaultdict(set)
    for path, entry in entries.items():
        if entry.facts.st_nlink > 1 and not stat.S_ISDIR(entry.facts.st_mode):
            groups[entry.facts.st_dev, entry.facts.st_ino].add(path)
    return {frozenset(group) for group in groups.values() if len(group) > 1}
