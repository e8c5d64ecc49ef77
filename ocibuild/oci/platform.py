"""Platforms: what an image runs on (image-spec image-index.md, "platform" and its variant table)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ocibuild.errors import UsageError, quoted
from ocibuild.oci.fields import text_in, texts_in

_PART = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
# What machines and distributions call an architecture: its name in Go, with the variant it means.
_ALIASES = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", None),
}
_BARE_VARIANTS = ("5", "6", "7", "8")
_HINT = "a platform is OS/ARCH or OS/ARCH/VARIANT, for example linux/amd64 or linux/arm64/v8"
# containerd's normalisation: these variants are what the architecture means anyway, so the two spellings are one platform.
_IMPLIED = {"arm64": "v8", "amd64": "v1", "arm": "v7"}


@dataclass(frozen=True, slots=True)
class Platform:
    """os/architecture[/variant], with the two Windows facts. Sorts by its text."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def __lt__(self, other: Platform) -> bool:
        return self._sort_key < other._sort_key

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
    def _sort_key(self) -> tuple[str, str, tuple[str, ...]]:
        return str(self), self.os_version or "", self.os_features

    def is_same_as(self, other: Platform) -> bool:
        """Whether both name one platform: `linux/arm64` is `linux/arm64/v8`."""
        return _meaning(self) == _meaning(other) and (not self.os_version or self.os_version == other.os_version)


def parse_platform(text: str) -> Platform:
    """The platform that `OS/ARCH[/VARIANT]` spells; common aliases of architectures are folded. UsageError if it is none."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
        raise UsageError(f"{quoted(text)} is not a platform", hint=_HINT)
    return Platform(*_folded(parts[0], parts[1], parts[2] if len(parts) == 3 else None))


def platform_from_json(document: Mapping[str, Any], *, subject: str = "a platform") -> Platform:
    """The platform of an index descriptor or of an image config (both use the same field names), spelt as it is there.

    `os` and `architecture` are "" where they are missing, as in descriptors of artifacts. IntegrityError, naming `subject`,
    for a field of another type.
    """
    return Platform(
        os=text_in(document, "os", subject=subject) or "",
        architecture=text_in(document, "architecture", subject=subject) or "",
        variant=text_in(document, "variant", subject=subject),
        os_version=text_in(document, "os.version", subject=subject),
        os_features=texts_in(document, "os.features", subject=subject),
    )


def selects(pattern: str, platform: Platform) -> bool:
    """Whether a layer selector such as `linux/*` or `linux/arm64` takes in `platform`. A missing variant takes in every one.

    As everywhere, `linux/arm64` is `linux/arm64/v8` and `linux/aarch64`.
    """
    names = _meaning(platform)
    parts = _folded_pattern(pattern.split("/"))
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


def _meaning(platform: Platform) -> tuple[str, str, str]:
    os, architecture, variant = _folded(platform.os, platform.architecture, platform.variant)
    return os, architecture, variant or _IMPLIED.get(architecture, "")


def _folded(os: str, architecture: str, variant: str | None) -> tuple[str, str, str | None]:
    architecture, meant = _ALIASES.get(architecture.lower(), (architecture.lower(), None))
    variant = variant.lower() if variant else meant
    if architecture in ("arm", "arm64") and variant in _BARE_VARIANTS:
        variant = f"v{variant}"
    return os.lower(), architecture, variant


def _folded_pattern(parts: list[str]) -> list[str]:
    if len(parts) == 1:
        return [parts[0].lower()]
    os, architecture, variant = _folded(parts[0], parts[1], parts[2] if len(parts) > 2 else None)
    return [os, architecture] if variant is None else [os, architecture, variant]
