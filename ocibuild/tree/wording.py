"""Changes of files in words."""

from __future__ import annotations

from collections.abc import Callable

from ocibuild.sizes import human_size
from ocibuild.tree.comparing import FileChange
from ocibuild.tree.entry import Entry, Kind


def details(change: FileChange) -> str:
    """What there is to say about a path besides its name: what differs, or what came or went."""
    if change.before and change.after:
        return ", ".join(_field(name, change.before, change.after) for name in change.fields)
    entry = change.after or change.before
    assert entry is not None
    if entry.kind is Kind.SYMLINK:
        return f"-> {_text(entry.link)}"
    return human_size(entry.size) if entry.kind is Kind.FILE else entry.kind.value


def _field(name: str, before: Entry, after: Entry) -> str:
    show = _SHOWN.get(name)
    return f"{name} {show(before)} -> {show(after)}" if show else name


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


_SHOWN: dict[str, Callable[[Entry], str]] = {
    "kind": lambda entry: entry.kind.value,
    "mode": lambda entry: f"{entry.mode:04o}",
    "owner": lambda entry: f"{entry.uid}:{entry.gid}",
    "size": lambda entry: human_size(entry.size),
    "link": lambda entry: _text(entry.link),
    "mtime": lambda entry: str(entry.mtime),
}
