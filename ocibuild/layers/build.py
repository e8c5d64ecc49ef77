"""Layers of a plan -> blobs in a store: each distinct layer once, several at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

from ocibuild.events import Advanced, Emit, Finished, Stage, Started
from ocibuild.layers.archive_layer import keep_archive
from ocibuild.layers.archive_source import find_archive
from ocibuild.layers.arrange import arrange
from ocibuild.layers.entries import total_size
from ocibuild.layers.pipeline import Crew, write_blob
from ocibuild.layers.segments import segments
from ocibuild.layers.sources import directory_entry, layer_entries
from ocibuild.oci.blobs import BlobStore
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.media_type import Format, layer_type
from ocibuild.plan import ArchiveLayer, BuiltLayer, FilesLayer, ForeignLayer, LayerPlan


@dataclass(frozen=True, slots=True)
class Workshop:
    """What building a layer needs besides its plan."""

    store: BlobStore
    crew: Crew
    emit: Emit


def build_layers(
    plans: Iterable[LayerPlan], store: BlobStore, *, jobs: int, emit: Emit
) -> Mapping[LayerPlan, BuiltLayer]:
    """Build every distinct layer of `plans` into `store`, on `jobs` threads. The first error ends the rest."""
    distinct = list(dict.fromkeys(plans))
    with Crew(jobs) as crew, ThreadPoolExecutor(min(jobs, len(distinct)) or 1, thread_name_prefix="layer") as drivers:
        workshop = Workshop(store, crew, emit)
        futures = [drivers.submit(build_layer, plan, workshop) for plan in distinct]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            # Where one has failed, `result` raises its error; where none has, all are done.
            built = [future.result() for future in futures if future.done()]
        finally:
            crew.stop()
            drivers.shutdown(cancel_futures=True)
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
    known = {entry.path: entry for entry in (directory_entry(item, plan) for item in plan.known_directories)}
    members = arrange(layer_entries(plan), known, plan.created)
    with _task(plan, total_size(members), workshop) as task:
        blob = write_blob(
            segments(members),
            plan.compressor,
            workshop.store,
            workshop.crew,
            lambda amount: workshop.emit(Advanced(task, amount)),
        )
        workshop.emit(Finished(task, "built", blob.size))
    media_type = layer_type(Format.OCI, plan.compressor.compression)
    return BuiltLayer(plan.name, Descriptor(media_type, blob.digest, blob.size), blob.diff_id)


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
    workshop.emit(Started(task, Stage.BUILD, plan.name, total))
    try:
        yield task
    except BaseException:
        workshop.emit(Finished(task, "failed"))
        raise
