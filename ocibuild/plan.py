"""What to build, as frozen values: what a spec means once its templates are rendered. No YAML, no I/O.

A `Plan` is one image. It holds one `PlatformPlan` a platform, since templates and selectors may give each its own content;
layers that come out equal are equal values, and are built once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ocibuild.findings import Finding
from ocibuild.oci.compression import Compressor
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import Location
from ocibuild.oci.media_type import Compression, Format
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import Reference
from ocibuild.policy import LabelPolicy, Waiver
from ocibuild.tagging import Ruling

Strings = tuple[tuple[str, str], ...]


class Keep(Enum):
    """`keep`: take what the source says, where the default would make it the same on every machine."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Attributes:
    """Owner, modes, time and extended attributes of what an item puts into a layer; None is the verb's default.

    Modes are the 12 permission bits; `mtime` is in seconds since the epoch; `xattrs` are (name, value) in order of names.
    Defaults: owner 0:0; modes 0755 for directories and executables, 0644 else, whatever the umask was; mtime `created`;
    no xattrs. What is extracted from an archive keeps the archive's owner, modes and xattrs.
    """

    owner: tuple[int, int] | Keep | None = None
    file_mode: int | Keep | None = None
    dir_mode: int | Keep | None = None
    mtime: int | Keep | None = None
    xattrs: tuple[tuple[str, bytes], ...] | Keep | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the spec something was written: for messages only, and never a reason to build a layer twice."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Copy:
    """Files of the context. `source` is relative to it and uses `/`; a directory gives its content.

    `include` and `exclude` have the semantics of gitignore patterns relative to `source`. `mode` is an item-level mode: for
    the file copied, and an error for a directory.
    """

    source: str
    to: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    mode: int | None = None
    attributes: Attributes = Attributes()
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A file with this content (`text`, and `template` once it is rendered)."""

    content: bytes
    to: str
    attributes: Attributes = Attributes()
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link at `to`, whose target is written as given."""

    target: str
    to: str
    attributes: Attributes = Attributes()
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hardlink:
    """A second name for the file that the same layer puts at `target`."""

    target: str
    to: str
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory, with its own attributes."""

    to: str
    attributes: Attributes = Attributes()
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Extract:
    """The entries of a tar (packed or not), below `to`, filtered like Copy."""

    source: str
    to: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    attributes: Attributes = Attributes()
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Remove:
    """A whiteout: what lower layers have at `path` is gone."""

    path: str
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Replace:
    """An opaque directory: what lower layers have below `path` is hidden, what this layer puts there remains."""

    path: str
    attributes: Attributes = Attributes()
    origin: Origin | None = field(default=None, compare=False, repr=False)


Item = Copy | Text | Symlink | Hardlink | Directory | Extract | Remove | Replace


@dataclass(frozen=True, slots=True)
class FilesLayer:
    """A layer made of items. All paths in the image are absolute and use `/`.

    `context` is the directory that sources are relative to and may not leave. `created` (seconds) is the default mtime;
    `latest_mtime` bounds the times that `mtime: keep` takes over (SOURCE_DATE_EPOCH). `known_directories` are the
    directories that lower layers of the same plan declare: a parent that this layer needs repeats them unchanged.
    """

    name: str
    items: tuple[Item, ...]
    compressor: Compressor
    context: Path
    created: int
    latest_mtime: int | None = None
    known_directories: tuple[Directory, ...] = ()
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ArchiveLayer:
    """An existing tar as a layer, its bytes kept. `compression` is what the spec says of them, None to believe the bytes."""

    name: str
    source: str
    context: Path
    compression: Compression | None = None
    origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ForeignLayer:
    """A non-distributable layer: described, with the URLs it can be had from, and neither fetched nor uploaded."""

    name: str
    urls: tuple[str, ...]
    digest: Digest
    size: int
    diff_id: Digest
    compression: Compression = Compression.GZIP
    origin: Origin | None = field(default=None, compare=False, repr=False)


LayerPlan = FilesLayer | ArchiveLayer | ForeignLayer


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer plan carried out, ready to be named by a manifest: its descriptor has the OCI media type of what it is."""

    name: str
    descriptor: Descriptor
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """Docker's health check; times are in nanoseconds, 0 takes the runtime's default."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """The `config` block. None (or, for a map or a list that adds up, emptiness) leaves what the base says."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: Strings = ()
    workdir: str | None = None
    user: str | None = None
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    onbuild: tuple[str, ...] | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Unset:
    """What of the base's settings is taken away before the spec's own are laid on top."""

    env: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # of: ports, volumes, cmd, entrypoint


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """The image for one platform, lowest layer first. `base` None is scratch."""

    platform: Platform
    layers: tuple[LayerPlan, ...]
    base: Location | None = None
    settings: Settings = Settings()
    unset: Unset = Unset()
    labels: Strings = ()
    annotations: Strings = ()  # of the manifest
    descriptor_annotations: Strings = ()  # of the descriptor that names the manifest
    origin: Origin | None = field(default=None, compare=False, repr=False)
    base_origin: Origin | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """One image, for one or several platforms. `created` is RFC 3339, as it will stand in the documents.

    `metadata` and the other maps are already fanned out here to the levels that the shape and the format have. `tags` is in
    the order of the spec, those of rules by their priority. `image` is a bare repository, None if the spec names none.
    """

    image: Reference | None
    tags: tuple[str, ...]
    format: Format
    created: str
    platforms: tuple[PlatformPlan, ...]
    index_annotations: Strings = ()
    index_descriptor_annotations: Strings = ()
    origin: Origin | None = field(default=None, compare=False, repr=False)
    places: Mapping[str, Origin] = field(
        default_factory=dict, compare=False
    )  # dotted key -> where it stands, for checks
    policy: LabelPolicy | None = field(default=None, compare=False)
    waivers: tuple[Waiver, ...] = field(default=(), compare=False)
    rulings: tuple[Ruling, ...] = field(default=(), compare=False)  # what each entry of `tags` came to
    warnings: tuple[Finding, ...] = field(default=(), compare=False)  # what the spec says in vain, or against git
    files: tuple[Path, ...] = field(default=(), compare=False)  # that were read to know what to build, sources aside

    @property
    def is_index(self) -> bool:
        """Several platforms make an index; a single one is a plain manifest."""
        return len(self.platforms) > 1

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every tagged name of the image; empty where the spec gives no image or no tags."""
        return tuple(self.image.with_tag(tag) for tag in self.tags) if self.image else ()

    @property
    def compressors(self) -> list[str]:
        """The fingerprints of all compressors that the layers are packed with: what decides digests besides the sources."""
        layers = (layer for part in self.platforms for layer in part.layers)
        return sorted({layer.compressor.fingerprint for layer in layers if isinstance(layer, FilesLayer)})
