"""Plans -> images in a layout or an archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocibuild.assembly import Bases, Built, names_of, put_image, read_bases
from ocibuild.bases import asked_for_at
from ocibuild.events import Stage
from ocibuild.image import BaseImage
from ocibuild.layers.build import build_layers
from ocibuild.oci.location import DockerArchiveLocation, LayoutLocation, LocalLocation, Location, RegistryLocation
from ocibuild.oci.media_type import is_foreign
from ocibuild.plan import BuiltLayer, FilesLayer, LayerPlan, Origin, Plan
from ocibuild.recipes.archives import several_images, workplace, write_archive
from ocibuild.recipes.places import Places
from ocibuild.recipes.published import published_layers, take_published
from ocibuild.recipes.titles import titles_of_plans
from ocibuild.store.build_cache import LayerRecords
from ocibuild.store.layout import Layout
from ocibuild.store.naming import named
from ocibuild.transfer import Manner, put_blobs


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a build may take over from earlier ones: the user's cache in a directory (None: nothing), layers of images.

    `targets` are images too: those that the result is to replace, which need not be there yet.
    """

    cache: Path | None = None
    images: tuple[Location, ...] = ()
    targets: tuple[Location, ...] = ()


def build(
    plans: Sequence[Plan],
    output: LocalLocation,
    places: Places,
    *,
    self_contained: bool = True,
    reuse: Reuse | None = None,
    jobs: int,
) -> tuple[Built, ...]:
    """Build every plan into `output`. Layers that platforms or images share are built once.

    Unless `self_contained` (which archives always are), the layers of a base that a registry holds stay there; the layout
    remembers where. Without `reuse` everything is made anew. What goes wrong leaves `output` without the new images: an
    archive as it was, a layout as it named them.
    """
    if isinstance(output, DockerArchiveLocation):
        _refuse_several(plans)
    bases = read_bases(plans, places.reader)
    whole = self_contained or not isinstance(output, LayoutLocation)
    with workplace(output, places.emit) as layout:
        layers = _build_layers(plans, layout, places, reuse, whole=whole, jobs=jobs)
        for location, base, origin in _distinct(bases):
            with asked_for_at(origin):
                _take_base_layers(layout, location, base, places, whole=whole, jobs=jobs)
        built = tuple(put_image(plan, layers, bases, layout) for plan in plans)
        _deliver(built, layout, output)
    return built


def _refuse_several(plans: Sequence[Plan]) -> None:
    """UsageError for what no docker-archive holds, which would else be noticed when all is built."""
    from ocibuild.store.docker_archive import several_platforms

    if len(plans) > 1:
        raise several_images()
    if any(plan.is_index for plan in plans):
        raise several_platforms()


def _build_layers(
    plans: Sequence[Plan], layout: Layout, places: Places, reuse: Reuse | None, *, whole: bool, jobs: int
) -> Mapping[LayerPlan, BuiltLayer]:
    if reuse is None:
        return build_layers(_all_layers(plans), layout, jobs=jobs, emit=places.emit, titles=titles_of_plans(plans))
    published = published_layers(plans, layout, reuse.images, reuse.targets, places)
    layers = build_layers(
        _all_layers(plans),
        layout,
        jobs=jobs,
        emit=places.emit,
        cache=LayerRecords(reuse.cache, layout) if reuse.cache else None,
        published=published.layers,
        titles=titles_of_plans(plans),
    )
    used = [built.descriptor for plan, built in layers.items() if isinstance(plan, FilesLayer)]
    take_published(used, published, layout, places, whole=whole, jobs=jobs)
    return layers


def _all_layers(plans: Sequence[Plan]) -> Iterator[LayerPlan]:
    return (layer for plan in plans for part in plan.platforms for layer in part.layers)


def _distinct(bases: Bases) -> Iterator[tuple[Location, BaseImage, Origin | None]]:
    """Every base once, however many images stand on it, and where one of them asks for it."""
    found = {(part.base, base.manifest.raw): (base, part.base_origin) for part, base in bases.items()}
    for (location, _), (base, origin) in found.items():
        if location is not None:
            yield location, base, origin


def _take_base_layers(
    layout: Layout, location: Location, base: BaseImage, places: Places, *, whole: bool, jobs: int
) -> None:
    """Make the layout hold the base's layers, or (a registry's, for a build that is pushed next) know where they are."""
    layers = [layer for layer in base.manifest.layers if not is_foreign(layer.media_type)]
    if isinstance(location, RegistryLocation):
        layout.record_origins({layer.digest: replace(location.reference, tag=None, digest=None) for layer in layers})
        if not whole:
            return
    put_blobs(layers, places.reader(location), layout, Manner(jobs, places.emit, Stage.FETCH))


def _deliver(built: Sequence[Built], layout: Layout, output: LocalLocation) -> None:
    """Last of all, and in one step, give the images their names."""
    if isinstance(output, LayoutLocation):
        layout.name_all(
            [
                named(image.descriptor, reference=image.plan.image, tag=tag)
                for image in built
                for tag in image.plan.tags or (None,)
            ]
        )
    else:
        write_archive([(image.descriptor, names_of(image.plan)) for image in built], layout, output)
