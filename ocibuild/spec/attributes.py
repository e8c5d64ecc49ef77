"""Owner, modes, times and extended attributes: said for the whole spec, for a layer or for an item; the nearest wins."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ocibuild.errors import UsageError
from ocibuild.plan import KEEP, Attributes, Keep
from ocibuild.spec.capabilities import XATTR, parse_capabilities
from ocibuild.spec.times import parse_mtime
from ocibuild.spec.view import View

_OWNER = re.compile(r"([0-9]{1,20})(?::([0-9]{1,20}))?", re.ASCII)
_ID_LIMIT = (1 << 32) - 2  # the next one, -1, means "no change" to chown
_XATTR_NAME = re.compile(r"[a-z]+\.[^=\0]+")
Said = TypeVar("Said")


def read_attributes(view: View, outer: Attributes) -> Attributes:
    """What `view` (a spec, a layer or an item) says of attributes, on top of `outer`."""
    owner = view.parse_of("owner", _keep_or(_owner))
    file_mode = view.parse_of("file_mode", _keep_or(parse_mode))
    dir_mode = view.parse_of("dir_mode", _keep_or(parse_mode))
    mtime = view.parse_of("mtime", _keep_or(parse_mtime))
    xattrs = _xattrs(view)
    said = Attributes(
        owner=outer.owner if owner is None else owner,
        file_mode=outer.file_mode if file_mode is None else file_mode,
        dir_mode=outer.dir_mode if dir_mode is None else dir_mode,
        mtime=outer.mtime if mtime is None else mtime,
        xattrs=outer.xattrs if xattrs is None else xattrs,
    )
    return _with_capabilities(view, said)


def read_mode(view: View) -> int | None:
    """The `mode` of an item."""
    return view.parse_of("mode", parse_mode)


def parse_mode(text: str) -> int:
    """Permission bits from 3 or 4 octal digits."""
    if not re.fullmatch(r"[0-7]{3,4}", text, re.ASCII):
        raise UsageError(f"{text!r} is not a mode", hint="write 3 or 4 octal digits, such as 0644")
    return int(text, 8)


def _keep_or(parser: Callable[[str], Said]) -> Callable[[str], Said | Keep]:
    return lambda text: KEEP if text == KEEP.value else parser(text)


def _owner(text: str) -> tuple[int, int]:
    found = _OWNER.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not an owner", hint="write numbers, as USER:GROUP or USER")
    numbers = int(found[1]), int(found[2] or found[1])
    if max(numbers) > _ID_LIMIT:
        raise UsageError(f"{text!r} is not an owner", hint=f"user and group go up to {_ID_LIMIT}")
    return numbers


def _xattrs(view: View) -> tuple[tuple[str, bytes], ...] | Keep | None:
    inner = view.get("xattrs")
    if inner is None:
        return None
    if inner.is_text:
        return KEEP
    found: dict[str, bytes] = {}
    for name, value in inner.entries():
        if name == XATTR:
            value.refuse(
                "spec-bad-value", f"the value of `{name}` is not text", "write `capabilities` at an item", at_key=True
            )
        elif not _XATTR_NAME.fullmatch(name):
            hint = "a name has a class and a dot, such as user.comment"
            value.refuse("spec-bad-value", f"`{name}` is not the name of an extended attribute", hint, at_key=True)
        else:
            found[name] = value.text.encode()
    return tuple(sorted(found.items()))


def _with_capabilities(view: View, said: Attributes) -> Attributes:
    data = view.parse_of("capabilities", parse_capabilities)
    if data is None:
        return said
    if isinstance(said.xattrs, Keep):
        capabilities = view.get("capabilities")
        assert capabilities is not None
        message = "`capabilities` cannot be set where the extended attributes of the source are kept"
        capabilities.refuse("spec-bad-value", message, "write `xattrs: {}` at this item, or the names that it needs")
        return said
    return replace(said, xattrs=tuple(sorted({**dict(said.xattrs or ()), XATTR: data}.items())))
