"""Layers of earlier images: one that comes out the same again keeps its descriptor, and is neither packed nor sent.

The registry is thereby the cache that all CI runners share. Digests stay even where a newer compressor would write other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ocibuild.assembly import names_of
from ocibuild.errors import AuthError, NotFoundError, RegistryError, StoreError, UsageError
from ocibuild.events import Noted, Stage
from ocibuild.graph import read_configs, read_graph
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import Location, RegistryLocation, name_in
from ocibuild.oci.media_type import Format, compression_of, is_foreign, is_layer, layer_type
from ocibuild.plan import Plan
from ocibuild.recipes.places import Places
from ocibuild.store.layout import Layout
from ocibuild.transfer import Manner, put_blobs


@dataclass(frozen=True, slots=True)
class Published:
    """Layers by their diff_ids, under OCI media types; and by their digests, the places that have them."""

    layers: Mapping[Digest, Descriptor]
    homes: Mapping[Digest, Location]


def published_layers(
    plans: Sequence[Plan], layout: Layout, images: Sequence[Location], targets: Sequence[Location], places: Places
) -> Published:
    """What the images, those at the targets, and those that the layout has under the plans' names, are made of.

    An image that cannot be read (its registry is out of reach) is noted and left out. That a target is not there yet is no news.
    """
    layers: dict[Digest, Descriptor] = {}
    homes: dict[Digest, Location] = {}
    for source in dict.fromkeys((*images, *targets)):
        try:
            reader = places.reader(source)
            found = list(_layers(reader, reader.resolve(name_in(source))))
        except (RegistryError, AuthError, StoreError) as error:
            if source in images or not isinstance(error, NotFoundError):
                places.emit(Noted(f"no layers are taken over from {source}: {error.what}"))
            continue
        for diff_id, layer in found:
            layers.setdefault(diff_id, layer)
            homes.setdefault(layer.digest, source)
    for diff_id, layer in _in_layout(plans, layout):
        layers.setdefault(diff_id, layer)
    return Published(layers, homes)


def take_published(
    used: Sequence[Descriptor], published: Published, layout: Layout, places: Places, *, whole: bool, jobs: int
) -> None:
    """Make the layout hold the published layers that were used, or know which repository does."""
    missing = [layer for layer in used if not layout.has_blob(layer.digest, layer.size)]
    for home in dict.fromkeys(published.homes[layer.digest] for layer in missing if layer.digest in published.homes):
        layers = [layer for layer in missing if published.homes.get(layer.digest) == home]
        if isinstance(home, RegistryLocation):
            repository = replace(home.reference, tag=None, digest=None)
            layout.record_origins({layer.digest: repository for layer in layers})
            if not whole:
                continue
        put_blobs(layers, places.reader(home), layout, Manner(jobs, places.emit, Stage.FETCH))


def _layers(reader: ImageReader, descriptor: Descriptor) -> Iterator[tuple[Digest, Descriptor]]:
    root = read_graph(reader, descriptor)
    configs = read_configs(reader, root)
    for _, manifest in root.manifests():
        config = configs.get(manifest.config.digest)
        if config is None or len(config.diff_ids) != len(manifest.layers):
            continue
        for diff_id, layer in zip(config.diff_ids, manifest.layers, strict=True):
            if is_layer(layer.media_type) and not is_foreign(layer.media_type):
                media_type = layer_type(Format.OCI, compression_of(layer.media_type))
                yield diff_id, Descriptor(media_type, layer.digest, layer.size)


def _in_layout(plans: Sequence[Plan], layout: Layout) -> Iterator[tuple[Digest, Descriptor]]:
    for plan in plans:
        for name in names_of(plan)[:1]:
            try:
                found = list(_layers(layout, layout.resolve(str(name))))
            except (NotFoundError, UsageError):
                continue
            for diff_id, layer in found:
                if layout.has_blob(layer.digest, layer.size) or layout.blob_origins(layer):
                    yield diff_id, layer
