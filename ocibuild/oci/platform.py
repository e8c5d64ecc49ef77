"""Platforms: what an image runs on (image-spec image-index.md, "platform" and its variant table)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ocibuild.errors import UsageError

_PART = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
}
_HINT = "a platform is OS/ARCH or OS/ARCH/VARIANT, for example linux/amd64 or linux/arm64/v8"
# containerd's normalisation: these variants are what the architecture means anyway, so the two spellings are one platform.
_IMPLIED = {"arm64": "v8", "amd64": "v1", "arm": "v7"}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """os/architecture[/variant], with the two Windows facts."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def to_json(self) -> dict[str, Any]:
        """The `platform` object of an index descriptor."""
        document: dict[str, Any] = {"os": self.os, "architecture": self.architecture}
        if self.variant:
            document["variant"] = self.variant
        if self.os_version:
            document["os.version"] = self.os_version
        if self.os_features:
            document["os.features"] = list(self.os_features)
        return document

    @property
    def _meaning(self) -> tuple[str, str, str | None]:
        return self.os, self.architecture, self.variant or _IMPLIED.get(self.architecture)

    def is_same_as(self, other: Platform) -> bool:
        """Whether both name one platform: `linux/arm64` is `linux/arm64/v8`."""
        return self._meaning == other._meaning and (not self.os_version or self.os_version == other.os_version)


def parse_platform(text: str) -> Platform:
    """The platform that `OS/ARCH[/VARIANT]` spells; common aliases of architectures are folded. UsageError if it is none."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
        raise UsageError(f"{text!r} is not a platform", hint=_HINT)
    os, architecture = parts[0].lower(), parts[1].lower()
    return Platform(os, _ARCHITECTURES.get(architecture, architecture), parts[2] if len(parts) == 3 else None)


def platform_from_json(document: Mapping[str, Any]) -> Platform:
    """The platform of an index descriptor or of an image config (both use the same field names)."""
    return Platform(
        os=str(document.get("os", "")),
        architecture=str(document.get("architecture", "")),
        variant=document.get("variant") or None,
        os_version=document.get("os.version") or None,
        os_features=tuple(document.get("os.features") or ()),
    )


def selects(pattern: str, platform: Platform) -> bool:
    """Whether a layer selector such as `linux/*` or `linux/arm64` takes in `platform`. A missing variant takes in every one."""
    parts, names = pattern.split("/"), [platform.os, platform.architecture, platform.variant or ""]
    return all(fnmatchcase(name, part) for part, name in zip(parts, names, strict=False))


def choose(wanted: Platform, offered: Iterable[Platform]) -> Platform | None:
    """The first of `offered` that `wanted` means exactly, else the first that differs in an unasked variant only; or None."""
    candidates = list(offered)
    for candidate in candidates:
        if wanted.is_same_as(candidate):
            return candidate
    if wanted.variant is None:
        for candidate in candidates:
            if wanted.is_same_as(replace(candidate, variant=None)):
                return candidate
    return None
