"""Owner, mode, time and extended attributes of an entry: what its source says, seen through what the spec says of it."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from ocibuild.errors import SourceError, quoted
from ocibuild.layers.entries import encoded
from ocibuild.oci.tar_format import Xattrs
from ocibuild.plan import KEEP, Attributes, FilesLayer

_PERMISSION_BITS = 0o7777
_EXECUTABLE, _PLAIN, _DIRECTORY_MODE = 0o755, 0o644, 0o755
# Directories that nearly every base has, and where 0755 would be wrong: a directory of an upper layer replaces the attributes
# of the lower one, and an image without a writable /tmp is broken.
_CUSTOMARY_MODES = {b"tmp": 0o1777, b"var/tmp": 0o1777, b"root": 0o700}
# Attributes that describe the file. The others (SELinux labels, ACLs, IMA ...) describe the machine it happens to lie on.
_KEPT_XATTR_PREFIX, _CAPABILITY = "user.", "security.capability"


class Facts(NamedTuple):
    """What a source (a file on disk, a member of an archive) says of itself; `mtime` in whole seconds."""

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: Xattrs = ()


class Resolver(NamedTuple):
    """`Attributes` with the defaults of a layer behind them: gives each entry its final facts."""

    attributes: Attributes
    created: int
    latest_mtime: int | None
    keeps_by_default: bool  # an archive says the same on every machine; a file on disk does not

    @property
    def neutral_file(self) -> Facts:
        """What a file that has no source to keep anything of says of itself."""
        return Facts(_PLAIN, 0, 0, self.created)

    def neutral_directory(self, path: bytes) -> Facts:
        """The same of a directory."""
        return Facts(customary_mode(path), 0, 0, self.created)

    def owner(self, facts: Facts) -> tuple[int, int]:
        owner = self.attributes.owner
        if owner is KEEP or (owner is None and self.keeps_by_default):
            return facts.uid, facts.gid
        return owner if isinstance(owner, tuple) else (0, 0)

    def file_mode(self, facts: Facts) -> int:
        """By default 0755 or 0644, by the owner's x bit: all of a mode that neither umask nor git changes.

        A setuid bit of the source goes with the rest: with the owner 0:0, it would give away root.
        """
        mode = self.attributes.file_mode
        if isinstance(mode, int):
            return mode
        if mode is KEEP or self.keeps_by_default:
            return facts.mode & _PERMISSION_BITS
        return _EXECUTABLE if facts.mode & 0o100 else _PLAIN

    def dir_mode(self, facts: Facts, path: bytes) -> int:
        mode = self.attributes.dir_mode
        if isinstance(mode, int):
            return mode
        if mode is KEEP or self.keeps_by_default:
            return facts.mode & _PERMISSION_BITS
        return customary_mode(path)

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

    def link_xattrs(self, facts: Facts) -> Xattrs:
        """Those of a symbolic link: what a spec sets is meant for files."""
        return facts.xattrs if not isinstance(self.attributes.xattrs, tuple) and self.xattrs(facts) else ()


def resolver(layer: FilesLayer, attributes: Attributes, *, keeps_by_default: bool = False) -> Resolver:
    """The resolver for one item of `layer`. SourceError for an attribute whose name an archive cannot hold."""
    if isinstance(attributes.xattrs, tuple):
        for name, _ in attributes.xattrs:
            _check_xattr_name(name, f"layer {layer.name!r}")
    return Resolver(attributes, layer.created, layer.latest_mtime, keeps_by_default)


def customary_mode(path: bytes) -> int:
    """The mode of a directory of the image of which nothing is said."""
    return _CUSTOMARY_MODES.get(path, _DIRECTORY_MODE)


def read_xattrs(handle: int, subject: str) -> Xattrs:
    """`user.*` attributes and file capabilities of an open file or directory, in order of their names."""
    if not hasattr(os, "listxattr"):  # macOS: Python has no interface to them there
        return ()
    try:
        names = sorted(name for name in os.listxattr(handle) if _is_kept(name))
        for name in names:
            _check_xattr_name(name, subject)
        return tuple((name, os.getxattr(handle, name)) for name in names)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return ()
        raise SourceError(f"the extended attributes of {subject} cannot be read: {error.strerror}") from error


def _is_kept(name: str) -> bool:
    return name == _CAPABILITY or name.startswith(_KEPT_XATTR_PREFIX)


def _check_xattr_name(name: str, subject: str) -> None:
    """A pax record ends its key at the first `=`, and readers take what follows for the value."""
    raw = encoded(name)
    if not raw or b"=" in raw or b"\0" in raw:
        raise SourceError(
            f"{subject} has the extended attribute {quoted(name)}, whose name a tar cannot hold",
            hint="rename the attribute, or do not keep it",
        )
