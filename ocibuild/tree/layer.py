"""One layer as a list of changes: its tar is streamed, contents are hashed as they pass by, nothing is unpacked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ocibuild.errors import IntegrityError, SourceError, quoted
from ocibuild.oci.compression import unpack_any
from ocibuild.oci.digest import Digest
from ocibuild.oci.layer_limits import LIMITS, PATH_LIMIT, Limits
from ocibuild.oci.tar_reader import Member, TarReader
from ocibuild.oci.unpacked import UnpackedLayer
from ocibuild.tree.entry import Action, Change, Entry, Kind

_HARDLINK = b"1"
_KINDS = {
    b"0": Kind.FILE,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER_DEVICE,
    b"4": Kind.BLOCK_DEVICE,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
# image-spec layer.md, "Whiteouts". Other names with the double prefix are AUFS's own notes, which runtimes skip.
_WHITEOUT, _OPAQUE, _NOTE = b".wh.", b".wh..wh..opq", b".wh..wh."


@dataclass(frozen=True, slots=True)
class LayerFiles:
    """What a layer does, in the order of its tar, and the size of that tar."""

    changes: tuple[Change, ...] = ()
    unpacked: int = 0


def read_layer(
    chunks: Iterable[bytes], size: int, diff_id: Digest, *, subject: str, limits: Limits = LIMITS
) -> LayerFiles:
    """The changes of the layer whose blob is `chunks`, of `size` bytes, packed in any way.

    IntegrityError, naming `subject`, if it does not unpack to `diff_id`, is no tar, has paths that lead out of the image, or
    exceeds `limits`.
    """
    stream = UnpackedLayer(unpack_any(chunks, subject=subject), limits.most_unpacked(size), [diff_id], subject=subject)
    tar = TarReader(stream, subject)
    changes: list[Change] = []
    names = 0
    try:
        for member in tar:
            names += len(member.path) + len(member.link) + sum(len(key) + len(value) for key, value in member.xattrs)
            if len(changes) >= limits.entries or names > limits.names:
                raise IntegrityError(f"{subject} has more entries, or longer names, than are read")
            changes.extend(_changes(member, tar, subject))
    except SourceError as error:
        raise IntegrityError(error.what, hint="verify the image; it may have to be built again") from error
    found = stream.diff_ids()
    if diff_id not in found:
        unpacked = next(iter(found), "what cannot be compared")
        raise IntegrityError(f"{subject} unpacks to {unpacked}", where=f"the config promises {diff_id}")
    return LayerFiles(tuple(changes), stream.size)


def _changes(member: Member, tar: TarReader, subject: str) -> Iterator[Change]:
    path = normal(member.path, subject)
    parent, _, name = path.rpartition(b"/")
    if name == _OPAQUE:
        yield Change(Action.EMPTY, parent)
    elif name.startswith(_NOTE):
        return
    elif name.startswith(_WHITEOUT):
        yield Change(Action.REMOVE, _hidden(parent, name.removeprefix(_WHITEOUT), subject))
    elif member.kind == _HARDLINK:
        yield Change(Action.LINK, path, target=normal(member.link, subject))
    else:
        yield Change(Action.PUT, path, _entry(member, tar))


def normal(path: bytes, subject: str) -> bytes:
    """A path of a layer without slashes at its ends, and without what means nothing. IntegrityError if it leads out."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts or b"\0" in path or len(path) > PATH_LIMIT:
        raise IntegrityError(f"{subject} holds {quoted(path)}, which is no path in an image")
    return b"/".join(parts)


def _hidden(parent: bytes, name: bytes, subject: str) -> bytes:
    if name in (b"", b".", b".."):
        raise IntegrityError(f"{subject} has a whiteout in {quoted(parent)} that names nothing")
    return parent + b"/" + name if parent else name


def _entry(member: Member, tar: TarReader) -> Entry:
    kind = _KINDS[member.kind]
    if len(member.link) > PATH_LIMIT:
        raise IntegrityError(f"{quoted(member.path)} links to a path of {len(member.link)} bytes")
    content = b""
    if kind is Kind.FILE:
        hasher = hashlib.sha256()
        for chunk in tar.content(member.size):
            hasher.update(chunk)
        content = hasher.digest()
    return Entry(
        kind, member.mode, member.uid, member.gid, member.mtime, member.size,
        content, member.link, member.device, member.xattrs,
    )  # fmt: skip
