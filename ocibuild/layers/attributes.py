"""Owner, mode, time and extended attributes of an entry: what its source says, seen through what the spec says of it."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from ocibuild.errors import SourceError
from ocibuild.layers.entries import Xattrs, printable
from ocibuild.plan import KEEP, Attributes, FilesLayer

_PERMISSION_BITS = 0o7777
_EXECUTABLE, _PLAIN, _DIRECTORY_MODE = 0o755, 0o644, 0o755
_SPECIAL_BITS = 0o7000
# Attributes that describe the file. The others (SELinux labels, ACLs, IMA ...) describe the machine it happens to lie on.
_KEPT_XATTR_PREFIX, _CAPABILITY = "user.", "security.capability"


class Facts(NamedTuple):
    """What a source (a file on disk, a member of an archive) says of itself; `mtime` in whole seconds."""

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: Xattrs = ()


# What an item that brings no file of its own (text, directory ...) starts from.
NEUTRAL = Facts(0, 0, 0, 0)


class Resolver(NamedTuple):
    """`Attributes` with the defaults of a layer behind them: gives each entry its final facts."""

    attributes: Attributes
    created: int
    latest_mtime: int | None
    keeps_by_default: bool  # an archive says the same on every machine; a file on disk does not

    def owner(self, facts: Facts) -> tuple[int, int]:
        owner = self.attributes.owner
        if owner is KEEP or (owner is None and self.keeps_by_default):
            return facts.uid, facts.gid
        return owner if isinstance(owner, tuple) else (0, 0)

    def file_mode(self, facts: Facts) -> int:
        """By default 0755 or 0644, by the owner's x bit: all of a mode that neither umask nor git changes. Setuid bits stay."""
        mode = self.attributes.file_mode
        if isinstance(mode, int):
            return mode
        if mode is KEEP or self.keeps_by_default:
            return facts.mode & _PERMISSION_BITS
        return (_EXECUTABLE if facts.mode & 0o100 else _PLAIN) | (facts.mode & _SPECIAL_BITS)

    def dir_mode(self, facts: Facts) -> int:
        mode = self.attributes.dir_mode
        if isinstance(mode, int):
            return mode
        if mode is KEEP or self.keeps_by_default:
            return facts.mode & _PERMISSION_BITS
        return _DIRECTORY_MODE

    def mtime(self, facts: Facts) -> int:
        mtime = self.attributes.mtime
        if isinstance(mtime, int):
            return mtime
        if mtime is not KEEP:
            return self.created
        return facts.mtime if self.latest_mtime is None else min(facts.mtime, self.latest_mtime)

    def xattrs(self, facts: Facts) -> Xattrs:
        xattrs = self.attributes.xattrs
        if xattrs is KEEP or (xattrs is None and self.keeps_by_default):
            return facts.xattrs
        return xattrs if isinstance(xattrs, tuple) else ()


def resolver(layer: FilesLayer, attributes: Attributes, *, keeps_by_default: bool = False) -> Resolver:
    """The resolver for one item of `layer`."""
    return Resolver(attributes, layer.created, layer.latest_mtime, keeps_by_default)


def facts_of(facts: os.stat_result, path: bytes, attributes: Attributes) -> Facts:
    """The facts of a path on disk; its xattrs are read only if the spec wants to keep them."""
    xattrs = read_xattrs(path) if attributes.xattrs is KEEP else ()
    return Facts(facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns // 1_000_000_000, xattrs)


def read_xattrs(path: bytes) -> Xattrs:
    """`user.*` attributes and file capabilities of a path (a link itself, not its target), in order of their names."""
    if not hasattr(os, "listxattr"):  # macOS: Python has no interface to them there
        return ()
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
        return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names if _is_kept(name))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return ()
        raise SourceError(f"the attributes of {printable(path)} cannot be read: {error.strerror}") from error


def _is_kept(name: str) -> bool:
    return name == _CAPABILITY or (name.startswith(_KEPT_XATTR_PREFIX) and "=" not in name)
