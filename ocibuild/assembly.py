"""Built layers and bases -> the documents of a plan, in a place that holds images. Works through the ports alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ocibuild.bases import asked_for_at, read_base
from ocibuild.errors import UsageError
from ocibuild.image import BaseImage, PlatformImage, assemble, assemble_index
from ocibuild.oci.blobs import BlobSource, ImageReader, ImageSink
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.location import Location, name_in
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import Reference
from ocibuild.plan import BuiltLayer, LayerPlan, Plan, PlatformPlan

Bases = Mapping[PlatformPlan, BaseImage]


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was built: its plan, the descriptor of its manifest or index, and the documents of each platform."""

    plan: Plan
    descriptor: Descriptor
    images: tuple[PlatformImage, ...]

    @property
    def name(self) -> str:
        """`NAME@DIGEST`, or the digest alone where the spec names no image."""
        digest = self.descriptor.digest
        return str(self.plan.image.with_digest(digest)) if self.plan.image else str(digest)


def read_bases(plans: Sequence[Plan], reader_of: Callable[[Location], ImageReader]) -> Bases:
    """The base of every platform that has one; what several ask for is read once.

    A name is looked up once, too: platforms of one image never stand on two versions of a base whose tag moves meanwhile.
    """
    opened: dict[Location, tuple[ImageReader, Descriptor]] = {}
    known: dict[tuple[Location, Platform], BaseImage] = {}
    bases: dict[PlatformPlan, BaseImage] = {}
    for part in (part for plan in plans for part in plan.platforms):
        if part.base is None:
            continue
        with asked_for_at(part.base_origin):
            if part.base not in opened:
                reader = reader_of(part.base)
                opened[part.base] = reader, reader.resolve(name_in(part.base))
            key = part.base, part.platform
            if key not in known:
                known[key] = read_base(*opened[part.base], part.base, part.platform)
        bases[part] = known[key]
    return bases


def put_image(plan: Plan, layers: Mapping[LayerPlan, BuiltLayer], bases: Bases, sink: ImageSink) -> Built:
    """Assemble the documents of a plan and put them, children first, where its layers already are."""
    found = [bases.get(part) for part in plan.platforms]
    images = tuple(
        assemble(plan, part, [layers[layer] for layer in part.layers], base)
        for part, base in zip(plan.platforms, found, strict=True)
    )
    for image in images:
        sink.put_blob(BlobSource(image.config_descriptor, lambda raw=image.config: iter((raw,))))  # type: ignore[misc]
        sink.put_manifest(image.descriptor, image.manifest)
    if not plan.is_index:
        return Built(plan, images[0].descriptor, images)
    raw = assemble_index(plan, images, found)
    descriptor = describe(raw, plan.format.index, annotations=dict(plan.index_descriptor_annotations))
    sink.put_manifest(descriptor, raw)
    return Built(plan, descriptor, images)


def names_of(plan: Plan) -> tuple[str, ...]:
    """What the image of a plan is called where it was built: full references, or bare tags; empty where it has no name."""
    if plan.image is None:
        return plan.tags
    return tuple(map(str, plan.references)) or (plan.image.name,)


def destinations_of(plan: Plan, given: Sequence[Reference] = (), *, by_digest: bool = False) -> tuple[Reference, ...]:
    """Where a plan's image goes: to the destinations that are given, under the plan's tags where one has none, else to its own.

    UsageError where there is no place, or (unless `by_digest`) no tag.
    """
    if not given and plan.image is None:
        raise UsageError(
            "there is nowhere to push to: the spec has no `image`",
            where=str(plan.origin) if plan.origin else None,
            hint="add `image: HOST/NAME` to the spec, or name a destination",
        )
    places = given or ((plan.image,) if plan.image else ())
    if by_content := next((place for place in places if place.digest), None):
        raise UsageError(f"{by_content} is a digest, and an image is sent to a tag", hint="drop the part from `@` on")
    if by_digest:
        return tuple(places)
    if not plan.tags and any(not place.tag for place in places):
        has_rules = bool(plan.rulings)
        raise UsageError(
            f"there is no tag to push: {'no rule of `tags` gives one here' if has_rules else 'the spec has no `tags`'}",
            where=str(plan.origin) if plan.origin else None,
            hint=f"{'`ocibuild tags -v` says why' if has_rules else 'add `tags:` to the spec'}, or name one with -t TAG",
        )
    return tuple(
        reference
        for place in places
        for reference in ((place,) if place.tag else tuple(place.with_tag(tag) for tag in plan.tags))
    )
