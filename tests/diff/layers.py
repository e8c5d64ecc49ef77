"""Layers as tests write them down: a few words for each member, made into tars, into changes, and into trees."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocibuild.oci.digest import sha256
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.tree.entry import mode_text, shown
from ocibuild.tree.layer import LayerFiles, read_layer
from ocibuild.tree.merged import Tree


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a tar."""

    name: str
    kind: bytes
    content: bytes = b""
    link: str = ""
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    mtime: int = 0
    xattrs: tuple[tuple[str, str], ...] = ()

    def info(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo(self.name)
        info.type, info.size, info.linkname = self.kind, len(self.content), self.link
        info.mode, (info.uid, info.gid), info.mtime = self.mode, self.owner, self.mtime
        info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in self.xattrs}
        return info


def file(name: str, content: str = "x", **facts: Any) -> Member:
    return Member(name, tarfile.REGTYPE, content.encode(), **facts)


def directory(name: str, mode: int = 0o755, **facts: Any) -> Member:
    return Member(name, tarfile.DIRTYPE, mode=mode, **facts)


def symlink(name: str, target: str, **facts: Any) -> Member:
    return Member(name, tarfile.SYMTYPE, link=target, mode=0o777, **facts)


def hardlink(name: str, target: str) -> Member:
    return Member(name, tarfile.LNKTYPE, link=target)


def tar(*members: Member) -> bytes:
    """An archive of these, in this order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member.info(), io.BytesIO(member.content))
    return stream.getvalue()


def layer(*members: Member, limits: Limits = LIMITS) -> LayerFiles:
    """What such a layer does."""
    raw = tar(*members)
    return read_layer([raw], len(raw), sha256(raw), subject="layer", limits=limits)


def tree(*layers: Sequence[Member], limits: Limits = LIMITS) -> Tree:
    """What layers add up to, the lowest first."""
    made = Tree(limits)
    for number, members in enumerate(layers):
        made.apply(layer(*members).changes, number)
    return made


def listing(of: Tree) -> dict[str, str]:
    """Every path but the root, with its kind and permissions as `ls -l` shows them, and where a symbolic link leads."""
    return {
        shown(path): mode_text(node.entry) + (f" {node.entry.link.decode()}" if node.entry.link else "")
        for path, node in of.walk()
        if path
    }
