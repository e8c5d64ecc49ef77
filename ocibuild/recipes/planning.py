"""What a push would do: which blobs travel, which tags move, how much and how long. Nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from ocibuild.checks.profiles import Profile
from ocibuild.findings import Finding, Place
from ocibuild.graph import Node
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import LocalLocation
from ocibuild.oci.reference import Reference
from ocibuild.plan import Plan
from ocibuild.recipes.places import Places
from ocibuild.recipes.pushing import UPLOADS, Errand, Terms, errands_of, findings_of
from ocibuild.recipes.titles import titles_of_image
from ocibuild.threads import on_threads
from ocibuild.transfer import blobs_of


class Fate(StrEnum):
    """What a push would do about a blob or a manifest."""

    EXISTS = "exists"
    MOUNT = "mount"
    UPLOAD = "upload"


# HEAD; HEAD and POST; HEAD, POST and PUT (of a manifest: HEAD and PUT).
_BLOB_REQUESTS = {Fate.EXISTS: 1, Fate.MOUNT: 2, Fate.UPLOAD: 3}
_MANIFEST_REQUESTS = {Fate.EXISTS: 1, Fate.UPLOAD: 2}


@dataclass(frozen=True, slots=True)
class Move:
    """A tag, what it points to now (None: it is new) and what it would point to."""

    tag: str
    old: Digest | None
    new: Digest

    @property
    def changes(self) -> bool:
        return self.old != self.new


@dataclass(frozen=True, slots=True)
class PushPlan:
    """A push to one repository, as it would go now. `findings` are what it would be refused for, or
    warned of; `titles` are the names of layers in the spec, `parts` what the progress of a push calls everything."""

    reference: Reference
    blobs: tuple[tuple[Descriptor, Fate], ...]
    manifests: tuple[tuple[Descriptor, Fate], ...]
    moves: tuple[Move, ...]
    findings: tuple[Finding, ...]
    profile: Profile
    titles: Mapping[Digest, str]
    parts: Mapping[Digest, str]

    def brings(self, blob: Descriptor) -> bool:
        """Whether the repository holds the blob afterwards."""
        return any(blob.digest == descriptor.digest for descriptor, _ in self.blobs)

    @property
    def upload_bytes(self) -> int:
        """The number of bytes that would travel."""
        return sum(descriptor.size for descriptor, fate in (*self.blobs, *self.manifests) if fate is Fate.UPLOAD)

    @property
    def requests(self) -> int:
        """The number of requests, if all goes well and nobody asks for a token; a tag that moves is looked at, put, read back."""
        blobs = sum(_BLOB_REQUESTS[fate] for _, fate in self.blobs)
        manifests = sum(_MANIFEST_REQUESTS[fate] for _, fate in self.manifests)
        return blobs + manifests + sum(3 if move.changes else 1 for move in self.moves)

    def seconds(self, rate: float) -> float:
        """How long the bytes take at `rate` bytes a second."""
        return self.upload_bytes / rate

    def too_slow(self, rate: float) -> tuple[Descriptor, ...]:
        """The blobs that at `rate` would take longer than the registry lets an upload run."""
        limit = self.profile.upload_seconds
        if limit is None:
            return ()
        uploads = (descriptor for descriptor, fate in self.blobs if fate is Fate.UPLOAD)
        return tuple(descriptor for descriptor in uploads if descriptor.size / rate > limit)


def plan_push(
    plans: Sequence[Plan],
    output: LocalLocation,
    destinations: Sequence[Reference],
    places: Places,
    terms: Terms = Terms(),
) -> tuple[PushPlan, ...]:
    """What `push_plans` with the same arguments would do, a plan for each image and repository, in the order of the push."""
    ways, reader = errands_of(plans, output, destinations, places, terms)
    planned: list[PushPlan] = []
    for errand in ways:
        planned.append(_plan(errand, reader, places, terms, planned))
    return tuple(planned)


def _plan(errand: Errand, reader: ImageReader, places: Places, terms: Terms, earlier: Sequence[PushPlan]) -> PushPlan:
    repository, documents, blobs = places.repository(errand.repository), _documents(errand.root), blobs_of(errand.root)
    ask = partial(on_threads, jobs=UPLOADS, name="plan")
    fates = ask(partial(_fate, errand.repository, reader, places, earlier), blobs)
    held = ask(repository.holds, documents)
    moves = tuple(ask(lambda tag: Move(tag, repository.tagged(tag), errand.digest), errand.tags))
    return PushPlan(
        errand.repository.with_digest(errand.digest),
        tuple(zip(blobs, fates, strict=True)),
        tuple((each, Fate.EXISTS if has else Fate.UPLOAD) for each, has in zip(documents, held, strict=True)),
        moves,
        (*findings_of(errand, terms), *(_clobbered(errand, moves) if terms.no_clobber else ())),
        terms.profile_of(errand.repository),
        errand.titles,
        titles_of_image(errand.root, errand.configs),
    )


def _documents(root: Node) -> list[Descriptor]:
    return list({node.descriptor.digest: node.descriptor for node in root.walk()}.values())


def _fate(
    target: Reference, reader: ImageReader, places: Places, earlier: Sequence[PushPlan], blob: Descriptor
) -> Fate:
    before = {plan.reference.name: plan.reference for plan in earlier if plan.brings(blob)}
    if target.name in before or places.repository(target).holds(blob):
        return Fate.EXISTS
    others = (*reader.blob_origins(blob), *before.values())
    # A push tries one repository of the same registry, the first that is known to have the blob.
    source = next((other for other in others if other.host == target.host and other.name != target.name), None)
    if source is not None and (source.name in before or places.repository(source).holds(blob)):
        return Fate.MOUNT
    return Fate.UPLOAD


def _clobbered(errand: Errand, moves: Sequence[Move]) -> Iterator[Finding]:
    for move in moves:
        if move.changes and move.old is not None:
            message = (
                f"{errand.repository.with_tag(move.tag)} is there already, and points to another image ({move.old})"
            )
            place = Place(str(errand.repository))
            yield Finding("tag-moves", message, place, "push under a new tag, or without --no-clobber")
