"""What ocibuild does, as short recipes. READ FIRST; everything that the command line can do is here.

    plans = load([Path("ocibuild.yaml")], overrides, facts)        # YAML -> what to build
    with Places() as places:                                       # registries, layouts and archives
        built = build(plans, output, places)                       # layers, config, manifests, index -> a layout or archive
        push(built[0], places.reader(output), destinations, places)  # checks first, then blobs, manifests, tags

The only module that joins the packages: they meet through the ports in `ocibuild.oci.blobs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING

from ocibuild import __version__
from ocibuild.assembly import Built, destinations_of, put_image, read_bases
from ocibuild.borrowing import BorrowingReader
from ocibuild.checks.image_rules import ImageUnderCheck, check_image
from ocibuild.checks.profiles import Profile, profile_for, profile_named
from ocibuild.ci.git import git_facts
from ocibuild.errors import FindingsError, NotFoundError, StoreError, UsageError
from ocibuild.events import Emit, Stage, silent
from ocibuild.graph import Node, find_manifest, platforms_of, read_configs, read_graph
from ocibuild.image import BaseImage, PlatformImage
from ocibuild.layers.build import build_layers
from ocibuild.layers.tar import WRITER
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig
from ocibuild.oci.location import (
    LayoutLocation,
    LocalLocation,
    Location,
    OciArchiveLocation,
    RegistryLocation,
    kept_name,
    name_in,
)
from ocibuild.oci.media_type import is_foreign
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import Reference, tag_within, tags_by_repository
from ocibuild.plan import LayerPlan, Plan, PlatformPlan
from ocibuild.registry.credentials import erase_credential, store_credential
from ocibuild.registry.secret import Login, Secret
from ocibuild.registry.settings import Settings
from ocibuild.schema_files import schema_text
from ocibuild.spec.load import Facts, Overrides, load_plans, render_specs
from ocibuild.spec.yaml_text import as_yaml
from ocibuild.store.docker_archive import write_docker_archive
from ocibuild.store.layout import Layout
from ocibuild.store.naming import Entry, full_reference, named
from ocibuild.store.oci_archive import write_oci_archive
from ocibuild.store.places import open_location
from ocibuild.store.writing import write_file
from ocibuild.transfer import Transferred, put_blobs, transfer

if TYPE_CHECKING:
    from ocibuild.registry.repository import Repository
    from ocibuild.registry.session import Registries

__all__ = [
    "DEFAULT_JOBS", "DEFAULT_OUTPUT", "VERSION", "WRITER", "Built", "Entry", "Facts", "Inspection", "Node", "Overrides",
    "Places", "PlatformImage", "Pushed", "Settings", "as_yaml", "build", "copy", "digest", "git_facts", "images", "inspect",
    "load", "login", "logout", "profile_named", "push", "push_plans", "render", "schema", "tag", "tags", "write_file",
]  # fmt: skip

VERSION = __version__
DEFAULT_OUTPUT = LayoutLocation(".ocibuild/layout")
DEFAULT_JOBS = 4  # uploads at once: what registries bear well


class Places:
    """Wherever images are: opens readers and sinks for locations. A context manager; connections are closed at its end."""

    def __init__(self, settings: Settings | None = None, emit: Emit = silent) -> None:
        self._settings = settings or Settings(emit=emit)
        self._registries: Registries | None = None
        self._lock = Lock()
        self.emit = emit

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._registries is not None:
            self._registries.close()

    def repository(self, reference: Reference) -> Repository:
        """The repository of a reference, to read from and to write to."""
        return self.registries.repository(reference)

    @property
    def registries(self) -> Registries:
        """All registries of this command. What needs none never pays for the network's code."""
        from ocibuild.registry.session import Registries

        with self._lock:
            if self._registries is None:
                self._registries = Registries(self._settings)
            return self._registries

    def reader(self, location: Location) -> ImageReader:
        """The place to read from. A layout borrows blobs that it lacks from where they are."""
        if isinstance(location, RegistryLocation):
            return self.repository(location.reference)
        return BorrowingReader(open_location(location), self.repository)


def load(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> tuple[Plan, ...]:
    """The plans of spec files and directories. SpecError with all that is wrong in any of them."""
    return load_plans(paths, overrides, facts)


def render(paths: Sequence[Path], overrides: Overrides, facts: Facts) -> Sequence[Mapping[str, object]]:
    """The same specs with every template filled in."""
    return render_specs(paths, overrides, facts)


def build(
    plans: Sequence[Plan],
    output: LocalLocation,
    places: Places,
    *,
    self_contained: bool = True,
    jobs: int = DEFAULT_JOBS,
) -> tuple[Built, ...]:
    """Build every plan into `output`. Layers that platforms or images share are built once.

    Unless `self_contained`, the layers of a base that a registry holds stay there; the layout remembers where.
    """
    bases = read_bases(plans, places.reader)
    with _workplace(output, places.emit) as layout:
        layers = build_layers(_all_layers(plans), layout, jobs=jobs, emit=places.emit)
        for part, base in bases.items():
            _take_base_layers(layout, part, base, places, self_contained=self_contained, jobs=jobs)
        built = tuple(put_image(plan, layers, bases, layout) for plan in plans)
        _deliver(built, layout, output)
    return built


def push(
    image: Descriptor,
    reader: ImageReader,
    destinations: Sequence[Reference],
    places: Places,
    *,
    profile: Profile | None = None,
    jobs: int = DEFAULT_JOBS,
) -> tuple[Pushed, ...]:
    """Check an image, then send it to every repository of `destinations`, under all the tags given for it.

    FindingsError before any request if it breaks a rule of a destination's profile.
    """
    root = read_graph(reader, image)
    repositories = tags_by_repository(destinations)
    for repository in repositories:
        _refuse_findings(root, reader, str(repository), profile or profile_for(repository.host))
    return tuple(
        Pushed(
            repository.with_digest(image.digest),
            tags,
            transfer(root, reader, places.repository(repository), tags, stage=Stage.SEND, jobs=jobs, emit=places.emit),
        )
        for repository, tags in repositories.items()
    )


def push_plans(
    plans: Sequence[Plan],
    output: LocalLocation,
    destinations: Sequence[Reference],
    places: Places,
    *,
    profile: Profile | None = None,
    jobs: int = DEFAULT_JOBS,
) -> tuple[Pushed, ...]:
    """Push what was built of `plans` in `output`: to the destinations that are given, else to each plan's own.

    UsageError where nothing says where to; NotFoundError where a plan was not built. Both before any request.
    """
    targets = [destinations_of(plan, destinations) for plan in plans]
    reader = places.reader(output)
    images = [_find_built(plan, reader, output) for plan in plans]
    return tuple(
        pushed
        for image, references in zip(images, targets, strict=True)
        for pushed in push(image, reader, references, places, profile=profile, jobs=jobs)
    )


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image that is in a registry: `NAME@DIGEST`, the tags that point to it, and what had to travel."""

    reference: Reference
    tags: tuple[str, ...]
    transferred: Transferred


def copy(
    source: Location,
    destination: Location,
    places: Places,
    *,
    platform: Platform | None = None,
    jobs: int = DEFAULT_JOBS,
) -> Descriptor:
    """Copy an image, digests unchanged, from any place to any place; with `platform`, that one image out of an index.

    It keeps its name where the destination gives none. pull is this too.
    """
    reader = places.reader(source)
    root = _find(reader, source, platform)
    if isinstance(destination, RegistryLocation):
        reference = destination.reference
        tags = (reference.tag,) if reference.tag else ()
        transfer(root, reader, places.repository(reference), tags, stage=Stage.SEND, jobs=jobs, emit=places.emit)
    elif isinstance(destination, LayoutLocation):
        layout = Layout.create(destination.path, emit=places.emit)
        name = destination.name or kept_name(source)
        transfer(root, reader, layout, (name,) if name else (), stage=Stage.FETCH, jobs=jobs, emit=places.emit)
        if name is None:
            layout.name(root.descriptor)
    else:
        _write_archive([(root.descriptor, _archive_names(source, destination))], reader, destination)
    return root.descriptor


def tag(source: Location, names: Sequence[str], places: Places) -> Descriptor:
    """Let further tags point to an image where it is; not a byte of it changes. Each name is a tag, or the repository with one."""
    if isinstance(source, RegistryLocation):
        place: Repository | Layout = places.repository(source.reference)
        new = [tag_within(source.reference, name) for name in names]
    elif isinstance(source, LayoutLocation):
        place, new = Layout.open(source.path, emit=places.emit), list(names)
    else:
        raise UsageError(
            f"{source} is an archive, and archives are not changed", hint="copy it to a layout, then tag it there"
        )
    descriptor = place.resolve(name_in(source))
    raw = place.read_manifest(descriptor)
    for name in new:
        place.tag(descriptor, raw, name)
    return descriptor


def digest(location: Location, places: Places, *, platform: Platform | None = None) -> Digest:
    """The digest of what a name leads to; with `platform`, of that one image out of an index."""
    reader = places.reader(location)
    top = reader.resolve(name_in(location))
    return (find_manifest(reader, top, platform)[0] if platform else top).digest


def tags(location: RegistryLocation, places: Places) -> tuple[str, ...]:
    """All tags of a repository, sorted."""
    return places.repository(location.reference).tags()


def images(location: LocalLocation) -> tuple[tuple[Entry, tuple[Platform, ...]], ...]:
    """The images of a layout or an archive, each with its platforms."""
    reader = open_location(location)
    return tuple((entry, platforms_of(reader, entry.descriptor)) for entry in reader.entries())


def schema() -> str:
    """The JSON Schema of specs."""
    return schema_text()


@dataclass(frozen=True, slots=True)
class Inspection:
    """An image as it is: its documents, and the configs of those that are runnable images, by digest."""

    location: Location
    root: Node
    configs: Mapping[Digest, ImageConfig]


def inspect(location: Location, places: Places, *, platform: Platform | None = None) -> Inspection:
    """Read all documents of an image; no layer is opened."""
    reader = places.reader(location)
    root = _find(reader, location, platform)
    return Inspection(location, root, read_configs(reader, root))


def login(registry: str, username: str, secret: str, settings: Settings) -> str:
    """Try a user name and a password or token at a registry, then keep them; where, in words. AuthError keeps nothing."""
    from ocibuild.registry.login import parse_registry, verify_login

    host, credential = parse_registry(registry), Login(username, Secret(secret))
    verify_login(host, credential, settings)
    return store_credential(host, credential)


def logout(registry: str) -> str | None:
    """Forget what `login` kept for a registry; from where, in words, or None if there was nothing."""
    from ocibuild.registry.login import parse_registry

    return erase_credential(parse_registry(registry))


def _all_layers(plans: Sequence[Plan]) -> Iterator[LayerPlan]:
    return (layer for plan in plans for part in plan.platforms for layer in part.layers)


def _take_base_layers(
    layout: Layout, part: PlatformPlan, base: BaseImage, places: Places, *, self_contained: bool, jobs: int
) -> None:
    """Make the layout hold the base's layers, or (a registry's, for a build that is pushed next) know where they are."""
    location = part.base
    layers = [layer for layer in base.manifest.layers if not is_foreign(layer.media_type)]
    if isinstance(location, RegistryLocation):
        layout.record_origins({layer.digest: replace(location.reference, tag=None, digest=None) for layer in layers})
        if not self_contained:
            return
    if location is not None:
        put_blobs(layers, places.reader(location), layout, stage=Stage.FETCH, jobs=jobs, emit=places.emit)


@contextmanager
def _workplace(output: LocalLocation, emit: Emit) -> Iterator[Layout]:
    """The layout that a build works in: the output itself, or a temporary one beside an archive."""
    if isinstance(output, LayoutLocation):
        yield Layout.create(output.path, emit=emit)
        return
    directory = Path(output.path).parent
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".ocibuild-", dir=directory) as temporary:
        yield Layout.create(Path(temporary) / "layout", emit=emit)


def _deliver(built: Sequence[Built], layout: Layout, output: LocalLocation) -> None:
    """Last of all, give the images their names."""
    if isinstance(output, LayoutLocation):
        for image in built:
            for tag in image.plan.tags or (None,):
                layout.name(image.descriptor, reference=image.plan.image, tag=tag)
    else:
        _write_archive([(image.descriptor, image.plan.references) for image in built], layout, output)


def _find_built(plan: Plan, reader: ImageReader, output: LocalLocation) -> Descriptor:
    """What `build` put into `output` for this plan."""
    name = next(iter((*map(str, plan.references), *plan.tags)), str(plan.image) if plan.image else None)
    try:
        return reader.resolve(name)
    except (NotFoundError, StoreError) as error:
        raise NotFoundError(
            f"{name or 'the image'} is not in {output}", where=error.where, hint="run `ocibuild build` first"
        ) from error


def _write_archive(
    images: Sequence[tuple[Descriptor, Sequence[Reference]]], reader: ImageReader, output: LocalLocation
) -> None:
    if isinstance(output, OciArchiveLocation):
        entries = [named(descriptor, reference=name) for descriptor, names in images for name in names or (None,)]
        write_oci_archive(output.path, reader, entries)
        return
    if len(images) != 1:
        raise UsageError("a docker-archive holds one image", hint="build one spec at a time, or use oci-archive:FILE")
    ((descriptor, references),) = images
    write_docker_archive(output.path, reader, descriptor, references)


def _refuse_findings(root: Node, reader: ImageReader, name: str, profile: Profile) -> None:
    findings = check_image(ImageUnderCheck(name, root, read_configs(reader, root), profile))
    if any(finding.is_error for finding in findings):
        raise FindingsError(f"{name} is not pushed: the image breaks the rules of profile {profile.name}", findings)


def _find(reader: ImageReader, location: Location, platform: Platform | None) -> Node:
    top = reader.resolve(name_in(location))
    return read_graph(reader, find_manifest(reader, top, platform)[0] if platform else top)


def _archive_names(source: Location, destination: LocalLocation) -> Sequence[Reference]:
    reference = full_reference(destination.name or kept_name(source) or "")
    return (reference,) if reference else ()
