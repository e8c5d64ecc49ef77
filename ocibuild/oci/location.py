"""Where an image is: in a registry, in an OCI layout, or in one of the two kinds of archive."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ocibuild.errors import UsageError, quoted
from ocibuild.oci.reference import Reference, parse_reference


@dataclass(frozen=True, slots=True)
class RegistryLocation:
    """An image, or a whole repository, in a registry."""

    reference: Reference

    def __str__(self) -> str:
        return str(self.reference)


@dataclass(frozen=True, slots=True)
class LayoutLocation:
    """An OCI image layout directory; `name` is a tag, a full reference or a digest in it, None for its only image."""

    path: str
    name: str | None = None

    def __str__(self) -> str:
        return f"oci:{self.path}" + (f":{self.name}" if self.name else "")


@dataclass(frozen=True, slots=True)
class OciArchiveLocation:
    """An OCI image layout in a tar file."""

    path: str
    name: str | None = None

    def __str__(self) -> str:
        return f"oci-archive:{self.path}" + (f":{self.name}" if self.name else "")


@dataclass(frozen=True, slots=True)
class DockerArchiveLocation:
    """What `docker save` writes."""

    path: str
    name: str | None = None

    def __str__(self) -> str:
        return f"docker-archive:{self.path}" + (f":{self.name}" if self.name else "")


LocalLocation = LayoutLocation | OciArchiveLocation | DockerArchiveLocation
Location = RegistryLocation | LocalLocation
_SHOWN = 60

_KINDS: dict[str, type[LayoutLocation] | type[OciArchiveLocation] | type[DockerArchiveLocation]] = {
    "oci": LayoutLocation,
    "oci-archive": OciArchiveLocation,
    "docker-archive": DockerArchiveLocation,
}


def parse_location(text: str) -> Location:
    """The place that `text` names: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, or a reference.

    UsageError where it is none of them. As skopeo does, the path ends at the first colon that follows it.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _KINDS:
        _refuse_without_repository(text)
        return RegistryLocation(parse_reference(text))
    path, _, name = rest.partition(":")
    if not path or "\0" in path:
        raise UsageError(f"{quoted(text)} names no path", hint=f"write {kind}:PATH or {kind}:PATH:TAG")
    return _KINDS[kind](path, name or None)


def _refuse_without_repository(text: str) -> None:
    """UsageError for a path, a host or a digest alone. By the grammar some of them are images of Docker Hub
    (docker.io/library/ghcr.io, docker.io/library/hello.tar): nobody means that, and a copy would be sent there."""
    if text.startswith((".", "/", "~")) or (text.endswith("/") and "://" not in text):
        raise UsageError(f"{quoted(text)} is not an image reference", hint=_as_file(text))
    if "/" in text or "@" in text:
        return
    name = text.partition(":")[0]
    if name == "sha256":
        raise UsageError(f"{quoted(text)} names no repository", hint="write REPOSITORY@sha256:DIGEST")
    if "." in name or name == "localhost":
        in_registry = f"in a registry it is {_shown(text)}/REPOSITORY"
        has_port = text.rpartition(":")[2].isdecimal()
        hint = in_registry if has_port else f"{in_registry}; {_as_file(text)}"
        raise UsageError(f"{quoted(text)} names no repository", hint=hint)


def _as_file(text: str) -> str:
    path = _shown(text)
    return f"for a directory write oci:{path}, for a file oci-archive:{path} or docker-archive:{path}"


def _shown(text: str) -> str:
    return text if text.isprintable() and len(text) <= _SHOWN else "NAME"


def parse_output(text: str) -> LocalLocation:
    """The place on disk that `text` names. UsageError for a registry reference."""
    location = parse_location(text) if text.partition(":")[0] in _KINDS else None
    if location is None or isinstance(location, RegistryLocation):
        places = "an output is oci:DIR, oci-archive:FILE or docker-archive:FILE"
        raise UsageError(
            f"{quoted(text)} is not an output", hint=places if not text or set(text) & set(":=,") else _as_file(text)
        )
    return location


def name_in(location: Location) -> str | None:
    """What the place knows the image as: a tag or a digest. A bare repository means its `latest`, as everywhere."""
    if not isinstance(location, RegistryLocation):
        return location.name
    reference = location.reference.or_latest()
    return str(reference.digest or reference.tag)


def kept_name(location: Location) -> str | None:
    """The name that a copy of the image keeps: the tagged reference of one out of a registry, else its name in the place."""
    if not isinstance(location, RegistryLocation):
        return location.name
    reference = location.reference.or_latest()
    return str(replace(reference, digest=None)) if reference.tag else None
