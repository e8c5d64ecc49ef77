"""Layers of a plan -> blobs in a store: each distinct layer once, several at a time."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from ocibuild.events import Advanced, Emit, Finished, Stage, Started
from ocibuild.layers.archive_layer import keep_archive
from ocibuild.layers.archive_source import find_archive
from ocibuild.layers.members import Members, layer_members
from ocibuild.layers.memory import LayerRecord, Recollection, Stretch, recollect, remember
from ocibuild.layers.packing import SegmentPacker
from ocibuild.layers.pipeline import Crew, WrittenBlob, hash_stream, write_blob
from ocibuild.layers.segments import segments
from ocibuild.layers.survey import Fingerprint, fingerprint, survey_layer
from ocibuild.oci.blobs import BlobStore, BuildCache
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.media_type import Format, layer_type
from ocibuild.plan import ArchiveLayer, BuiltLayer, FilesLayer, ForeignLayer, LayerPlan
from ocibuild.threads import on_threads


@dataclass(frozen=True, slots=True)
class Workshop:
    """What building a layer needs besides its plan. `published` are layers of earlier images by their diff_ids: one that
    comes out the same keeps its descriptor, and is not packed again."""

    store: BlobStore
    crew: Crew
    emit: Emit
    cache: BuildCache | None = None
    published: Mapping[Digest, Descriptor] = field(default_factory=dict)
    titles: Mapping[LayerPlan, str] = field(default_factory=dict)


def build_layers(
    plans: Iterable[LayerPlan],
    store: BlobStore,
    *,
    jobs: int,
    emit: Emit,
    cache: BuildCache | None = None,
    published: Mapping[Digest, Descriptor] | None = None,
    titles: Mapping[LayerPlan, str] | None = None,
) -> Mapping[LayerPlan, BuiltLayer]:
    """Build every distinct layer of `plans` into `store`, on `jobs` threads. The first error ends the rest.

    A layer that equals a published one is not written: its blob may be elsewhere. `titles` are what progress calls layers.
    """
    distinct = list(dict.fromkeys(plans))
    with Crew(jobs) as crew:
        workshop = Workshop(store, crew, emit, cache, published or {}, titles or {})
        built = on_threads(lambda plan: build_layer(plan, workshop), distinct, jobs, name="layer", halt=crew.stop)
    return dict(zip(distinct, built, strict=True))


def build_layer(plan: LayerPlan, workshop: Workshop) -> BuiltLayer:
    """Build one layer. SourceError or StoreError if it cannot be."""
    match plan:
        case FilesLayer():
            return _files(plan, workshop)
        case ArchiveLayer():
            return _archive(plan, workshop)
        case ForeignLayer():
            return _foreign(plan)


def _files(plan: FilesLayer, workshop: Workshop) -> BuiltLayer:
    """The layer from the first of these that has it: an unchanged fingerprint, a published image, the sources."""
    began, cache = time.time_ns(), workshop.cache
    surveys = survey_layer(plan)
    take_mark = functools.cache(partial(fingerprint, plan, surveys, began))  # once is enough
    past = recollect(plan, cache) if cache is not None else Recollection()
    if past.exact is not None and (unchanged := _unchanged(plan, take_mark(), past, workshop)) is not None:
        return unchanged
    members = layer_members(plan, surveys)
    with _task(plan, members.size, workshop) as task:
        # Where the last build packed the layer, what has changed since is in no image that was published before.
        was_packed_here = past.last is not None and past.last.compressor
        if not was_packed_here and (taken := _published(plan, members, workshop)) is not None:
            workshop.emit(Finished(task, "published", taken.descriptor.size))
            if cache is not None:
                remember(plan, _record(take_mark(), taken), cache)
            return taken
        # Beside the packing, since that leaves Python idle. From here on only this keeps the survey in memory, and members of a
        # lone tree, which are made of it.
        mark = workshop.crew.aside(take_mark) if cache is not None else None
        del surveys, take_mark
        blob = _packed(plan, members, past, workshop, task=task, began_ns=began)
        workshop.emit(Finished(task, "built", blob.size))
    descriptor = Descriptor(layer_type(Format.OCI, plan.compressor.compression), blob.digest, blob.size)
    built = BuiltLayer(plan.name, descriptor, blob.diff_id)
    if cache is not None and mark is not None:
        remember(plan, _record(mark.result(), built, plan.compressor.fingerprint, blob.stretches), cache)
    return built


def _record(
    mark: Fingerprint, built: BuiltLayer, compressor: str = "", stretches: tuple[Stretch, ...] = ()
) -> LayerRecord:
    settled = mark.value if mark.is_settled else ""
    return LayerRecord(settled, compressor, built.descriptor, built.diff_id, stretches)


def _unchanged(plan: FilesLayer, mark: Fingerprint, past: Recollection, workshop: Workshop) -> BuiltLayer | None:
    """The layer as it was built before, if nothing of its sources has changed and its blob is still to be had."""
    record = past.exact
    if record is None or record.fingerprint != mark.value or workshop.cache is None:
        return None
    if not workshop.cache.restore(record.descriptor):
        return None
    with _task(plan, record.descriptor.size, workshop) as task:
        workshop.emit(Finished(task, "unchanged", record.descriptor.size))
    return BuiltLayer(plan.name, record.descriptor, record.diff_id)


def _published(plan: FilesLayer, members: Members, workshop: Workshop) -> BuiltLayer | None:
    """The layer as an earlier image has it, packed in the wanted way but perhaps by an older compressor."""
    wanted = layer_type(Format.OCI, plan.compressor.compression)
    offered = {diff_id: layer for diff_id, layer in workshop.published.items() if layer.media_type == wanted}
    if not offered:
        return None
    diff_id = hash_stream(segments(members.each()), workshop.crew)
    return BuiltLayer(plan.name, offered[diff_id], diff_id) if diff_id in offered else None


def _packed(
    plan: FilesLayer, members: Members, past: Recollection, workshop: Workshop, *, task: str, began_ns: int
) -> WrittenBlob:
    """The layer from its sources; segments that the last build packed too are taken over."""
    compressor, cache = plan.compressor, workshop.cache
    last = past.last if past.last is not None and past.last.compressor == compressor.fingerprint else None
    with ExitStack() as stack:
        blob = stack.enter_context(cache.packed_blob(last.descriptor.digest)) if cache and last else None
        packer = SegmentPacker(compressor, began_ns if cache else None, last=last.stretches if last else (), blob=blob)
        return write_blob(
            segments(members.each()),
            packer,
            workshop.store,
            workshop.crew,
            lambda amount: workshop.emit(Advanced(task, amount)),
        )


def _archive(plan: ArchiveLayer, workshop: Workshop) -> BuiltLayer:
    archive = find_archive(plan.context, plan.source, plan.origin)
    with _task(plan, archive.size, workshop) as task:

        def advance(amount: int) -> None:
            workshop.crew.check()
            workshop.emit(Advanced(task, amount))

        built = keep_archive(plan, archive, workshop.store, advance)
        workshop.emit(Finished(task, "kept", built.descriptor.size))
    return built


def _foreign(plan: ForeignLayer) -> BuiltLayer:
    media_type = layer_type(Format.OCI, plan.compression, foreign=True)
    return BuiltLayer(plan.name, Descriptor(media_type, plan.digest, plan.size, urls=plan.urls), plan.diff_id)


@contextmanager
def _task(plan: FilesLayer | ArchiveLayer, total: int, workshop: Workshop) -> Iterator[str]:
    """The task of building one layer, from its start to its failure; the block itself says how it ended well."""
    task = f"layer {plan.name} {id(plan)}"
    workshop.emit(Started(task, Stage.BUILD, workshop.titles.get(plan, plan.name), total))
    try:
        yield task
    except BaseException:
        workshop.emit(Finished(task, "failed"))
        raise
