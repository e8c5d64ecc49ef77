"""What `ocibuild diff` shows, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ocibuild import api
from ocibuild.cli.messages import printable
from ocibuild.sizes import human_size

SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def difference_as_json(found: api.Difference, names: tuple[str, str]) -> dict[str, Any]:
    """All of it; `before` and `after` are None where there is nothing."""
    before, after = found.before.descriptor, found.after.descriptor
    return {
        "equal": found.is_empty,
        "before": {"name": names[0], "digest": str(before.digest)},
        "after": {"name": names[1], "digest": str(after.digest)},
        "onlyBefore": list(found.only_before),
        "onlyAfter": list(found.only_after),
        "values": [_value_as_json(change) for change in found.values],
        "images": [_image_as_json(image) for image in found.images],
    }


def _image_as_json(image: api.ImageDifference) -> dict[str, Any]:
    return {
        "platform": image.platform,
        "before": str(image.before.node.descriptor.digest),
        "after": str(image.after.node.descriptor.digest),
        "values": [_value_as_json(change) for change in image.values],
        "layers": [
            {
                "diffId": str((pair.before or pair.after).diff_id),  # type: ignore[union-attr]  # one of them is there
                "before": _layer_as_json(pair.before),
                "after": _layer_as_json(pair.after),
            }
            for pair in image.layers
        ],
        "unreadLayers": image.unread,
        "files": [_file_as_json(change) for change in image.files],
    }


def _value_as_json(change: api.ValueChange) -> dict[str, Any]:
    return {"level": change.level, "key": change.key, "before": change.before, "after": change.after}


def _layer_as_json(layer: api.ImageLayer | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    descriptor = layer.descriptor
    return {
        "digest": str(descriptor.digest),
        "mediaType": descriptor.media_type,
        "size": descriptor.size,
        "title": layer.title,
    }


def _file_as_json(change: api.FileChange) -> dict[str, Any]:
    return {
        "path": api.shown_path(change.path),
        "status": change.status,
        "fields": list(change.fields),
        "before": _entry_as_json(change.before),
        "after": _entry_as_json(change.after),
    }


def _entry_as_json(entry: api.FileEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "kind": entry.kind.value,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime,
        "size": entry.size,
        "sha256": entry.content.hex() or None,
        "link": entry.link.decode("utf-8", "backslashreplace") or None,
        "device": list(entry.device) if entry.device != (0, 0) else None,
        "xattrs": {name: value.hex() for name, value in entry.xattrs},
    }


def difference_as_text(found: api.Difference, names: tuple[str, str]) -> str:
    """The same for people: `-` is of the first image only, `+` of the second, `~` differs."""
    return "".join(f"{printable(line)}\n" for line in _lines(found, names))


def _lines(found: api.Difference, names: tuple[str, str]) -> Iterator[str]:
    yield f"--- {names[0]}  {found.before.descriptor.digest}"
    yield f"+++ {names[1]}  {found.after.descriptor.digest}"
    yield from (f"- {platform}" for platform in found.only_before)
    yield from (f"+ {platform}" for platform in found.only_after)
    yield from map(_value_line, found.values)
    for image in found.images:
        if not image.is_empty:
            yield ""
            yield f"{image.platform}:"
            yield from (f"  {line}" for line in _image_lines(image))
    if found.is_empty:
        yield summary_of_nothing(found)


def summary_of_nothing(found: api.Difference) -> str:
    """What to say where there is no difference to show."""
    if found.before.descriptor.digest == found.after.descriptor.digest:
        return "The same image."
    return (
        "Files, settings and annotations are equal; layers differ in compression, or in times (--times compares them)."
    )


def _image_lines(image: api.ImageDifference) -> Iterator[str]:
    yield from map(_value_line, image.values)
    yield layers_title(image)
    for pair in image.layers:
        layer = pair.after or pair.before
        assert layer is not None
        sign = " " if pair.before and pair.after else "-" if pair.before else "+"
        yield f"{sign} {layer.diff_id.short}  {human_size(layer.descriptor.size):>8}  {layer.title}".rstrip()
    yield files_title(image.files)
    for change in image.files:
        yield f"{SIGNS[change.status]} {api.shown_path(change.path)}{_in_brackets(api.change_details(change))}"
    if image.unread:
        yield unread_note(image)


def _in_brackets(text: str) -> str:
    return f"  ({text})" if text else ""


def unread_note(image: api.ImageDifference) -> str:
    """What the list of files cannot say."""
    return f"Not compared: {image.unread} layers that are not distributed with the image."


def layers_title(image: api.ImageDifference) -> str:
    """The sum of the layers on both sides."""
    before, after = (sum(layer.descriptor.size for layer in side.layers) for side in (image.before, image.after))
    return f"Layers: {human_size(before)} -> {human_size(after)}"


def files_title(files: Sequence[api.FileChange]) -> str:
    """How many files were added, removed and changed."""
    counts = Counter(change.status for change in files)
    return "Files: " + (", ".join(f"{counts[word]} {word}" for word in SIGNS if counts[word]) or "no difference")


def _value_line(change: api.ValueChange) -> str:
    values = " -> ".join(repr(value) for value in (change.before, change.after) if value is not None)
    return f"{SIGNS[change.status]} {change.level} {change.key}: {values}"
