"""The items of a `files` layer: one reader a verb."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ocibuild.errors import SpecError, UsageError
from ocibuild.plan import (
    Attributes,
    Copy,
    Directory,
    Extract,
    Hardlink,
    Item,
    Remove,
    Replace,
    Symlink,
    Text,
)
from ocibuild.spec import paths
from ocibuild.spec.attributes import read_attributes, read_mode
from ocibuild.spec.document import complain_in, render_text
from ocibuild.spec.scope import Scope
from ocibuild.spec.source import SIZE_LIMIT, Source, decode
from ocibuild.spec.template_language import TemplateError
from ocibuild.spec.view import View

_PATH = "spec-bad-path"
_INSIDE = "a template is a file in the directory of the spec or below"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an item is read in: the spec's directory, what its templates can name, and the attributes of its layer."""

    directory: Path
    scope: Scope
    attributes: Attributes


def read_item(view: View, around: Surroundings) -> Item | None:
    """The item that `view` describes; None if it was complained about."""
    verb = next((key for key in view.value if key in _READERS), None)
    return None if verb is None else _READERS[verb](view, around)


def _copy(view: View, around: Surroundings) -> Item | None:
    source = view.get("copy")
    to = _target(view, may_be_directory=True)
    parsed = _source_or_pattern(source) if source else None
    if parsed is None or to is None:
        return None
    include, exclude = _patterns(view, "include"), _patterns(view, "exclude")
    if isinstance(parsed, paths.Pattern):
        if include:
            hint = "write the directory under `copy`, and all patterns under `include`"
            view.refuse("spec-bad-value", "`copy` has a wildcard and there is `include` too", hint)
        include, to = (parsed.pattern,), to.rstrip("/") + "/"
    source_path = parsed.directory if isinstance(parsed, paths.Pattern) else parsed
    attributes = read_attributes(view, around.attributes)
    return Copy(source_path, to, include, exclude, read_mode(view), attributes, view.origin)


def _source_or_pattern(source: View) -> str | paths.Pattern | None:
    return source.parse(lambda text: paths.parse_pattern(text) or paths.parse_source(paths.unescape(text)), _PATH)


def _text(view: View, around: Surroundings) -> Item | None:
    to = _target(view)
    content = view.text_of("text")
    return None if to is None or content is None else _file(view, around, content.encode(), to)


def _template(view: View, around: Surroundings) -> Item | None:
    to = _target(view)
    path = view.parse_of("template", paths.parse_source, _PATH)
    content = _render_file(view, around, path) if path is not None else None
    return None if to is None or content is None else _file(view, around, content.encode(), to)


def _file(view: View, around: Surroundings, content: bytes, to: str) -> Item:
    attributes, mode = read_attributes(view, around.attributes), read_mode(view)
    return Text(content, to, attributes if mode is None else replace(attributes, file_mode=mode), view.origin)


def _symlink(view: View, around: Surroundings) -> Item | None:
    to, target = _target(view), view.parse_of("symlink", _link_text, _PATH)
    if to is None or target is None:
        return None
    return Symlink(target, to, read_attributes(view, around.attributes), view.origin)


def _hardlink(view: View, _around: Surroundings) -> Item | None:
    to, target = _target(view), view.parse_of("hardlink", paths.parse_target, _PATH)
    if to is None or target is None:
        return None
    if to == target:
        view.refuse(_PATH, f"{to} cannot be a link to itself", "name another file of this layer under `hardlink`")
    return Hardlink(target, to, view.origin)


def _directory(view: View, around: Surroundings) -> Item | None:
    to = _target(view, may_be_directory=True)
    return None if to is None else Directory(to.rstrip("/") or "/", _of_directory(view, around), view.origin)


def _extract(view: View, around: Surroundings) -> Item | None:
    to = _target(view, may_be_directory=True)
    source = view.parse_of("extract", paths.parse_source, _PATH)
    if to is None or source is None:
        return None
    attributes = read_attributes(view, around.attributes)
    include, exclude = _patterns(view, "include"), _patterns(view, "exclude")
    return Extract(source, to.rstrip("/") or "/", include, exclude, attributes, view.origin)


def _remove(view: View, _around: Surroundings) -> Item | None:
    path = view.parse_of("remove", paths.parse_target, _PATH)
    if path == "/":
        view.refuse(_PATH, "`remove: /` would leave nothing of the image", "begin with `base: scratch` instead")
    return None if path is None else Remove(path, view.origin)


def _replace(view: View, around: Surroundings) -> Item | None:
    path = view.parse_of("replace", paths.parse_target, _PATH)
    return None if path is None else Replace(path, _of_directory(view, around), view.origin)


_READERS: dict[str, Callable[[View, Surroundings], Item | None]] = {
    "copy": _copy,
    "text": _text,
    "template": _template,
    "symlink": _symlink,
    "hardlink": _hardlink,
    "directory": _directory,
    "extract": _extract,
    "remove": _remove,
    "replace": _replace,
}


def _of_directory(view: View, around: Surroundings) -> Attributes:
    attributes, mode = read_attributes(view, around.attributes), read_mode(view)
    return attributes if mode is None else replace(attributes, dir_mode=mode)


def _patterns(view: View, key: str) -> tuple[str, ...]:
    return view.texts_of(key) or ()


def _target(view: View, *, may_be_directory: bool = False) -> str | None:
    """`to`, normalised; a slash at its end is kept where a directory may be meant."""
    to = view.get("to")
    path = to.parse(paths.parse_target, _PATH) if to else None
    if to is None or path is None or not paths.is_directory_form(to.text):
        return path
    if not may_be_directory:
        to.refuse(_PATH, f"{to.text} is a directory, and this makes a file", "write the path with the name of the file")
        return None
    return path.rstrip("/") + "/"


def _link_text(text: str) -> str:
    if not text or "\0" in text:
        raise UsageError(
            "a symbolic link needs a target", hint="write the path that it points to, without NUL characters"
        )
    return text


def _render_file(view: View, around: Surroundings, path: str) -> str | None:
    source = _read_template(view, around.directory, path)
    if source is None:
        return None
    try:
        return render_text(view.document, around.scope, source.text, is_file=True)
    except TemplateError as error:
        within = source.span(source.line_start(error.line or 1), len(source.text))
        complain_in(view.document.ledger, within, error)
    except SpecError as error:
        view.document.ledger.take(error.findings)
    return None


def _read_template(view: View, directory: Path, path: str) -> Source | None:
    real, top = os.path.realpath(directory / path), os.path.realpath(directory)
    name = os.path.join(os.path.dirname(view.document.source.name), path)
    place = view.get("template") or view
    view.document.read |= {directory / path, Path(real)}
    try:
        if os.path.commonpath([real, top]) != top:
            place.refuse(_PATH, f"{path} is a link that leads out of the directory of the spec", _INSIDE)
        elif (raw := read_below(top, os.path.relpath(real, top))) is None:
            place.refuse("spec-template-file", f"the template {path} is not a file", _INSIDE)
        else:
            return decode(name, raw)
    except SpecError as error:
        view.document.ledger.take(error.findings)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        place.refuse("spec-template-file", f"the template {path} cannot be read: {reason}", _INSIDE)
    return None


def read_below(top: str, path: str) -> bytes | None:
    """The start of the regular file `path` below `top`; None for what is no regular file.

    Each step is relative to the last, and none follows a link: what takes the place of a directory or of the file after it
    was looked at is an OSError, and neither a way out (CVE-2024-1753) nor a wait for whoever writes into a named pipe.
    """
    *directories, name = path.split("/")
    with ExitStack() as stack:
        handle = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, handle)
        for directory in directories:
            handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            stack.callback(os.close, handle)
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
        stack.callback(os.close, handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        with open(handle, "rb", closefd=False) as file:
            return file.read(SIZE_LIMIT + 1)
