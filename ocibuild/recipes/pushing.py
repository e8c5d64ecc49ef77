"""Images out of layouts and archives -> registries: checks first, then blobs, manifests, tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocibuild.assembly import destinations_of
from ocibuild.checks.image_rules import ImageUnderCheck, check_image
from ocibuild.checks.profiles import Profile, profile_for
from ocibuild.errors import FindingsError, NotFoundError, StoreError
from ocibuild.events import Stage
from ocibuild.graph import Node, read_configs, read_graph
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.location import LocalLocation
from ocibuild.oci.reference import Reference, tags_by_repository
from ocibuild.plan import Plan
from ocibuild.recipes.places import Places
from ocibuild.transfer import Transferred, transfer

UPLOADS = 4  # at once: what registries bear well


def push(
    image: Descriptor,
    reader: ImageReader,
    destinations: Sequence[Reference],
    places: Places,
    *,
    profile: Profile | None = None,
    jobs: int = UPLOADS,
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
    jobs: int = UPLOADS,
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


def _find_built(plan: Plan, reader: ImageReader, output: LocalLocation) -> Descriptor:
    """What `build` put into `output` for this plan."""
    name = next(iter((*map(str, plan.references), *plan.tags)), str(plan.image) if plan.image else None)
    try:
        return reader.resolve(name)
    except (NotFoundError, StoreError) as error:
        raise NotFoundError(
            f"{name or 'the image'} is not in {output}", where=error.where, hint="run `ocibuild build` first"
        ) from error


def _refuse_findings(root: Node, reader: ImageReader, name: str, profile: Profile) -> None:
    findings = check_image(ImageUnderCheck(name, root, read_configs(reader, root), profile))
    if any(finding.is_error for finding in findings):
        raise FindingsError(f"{name} is not pushed: the image breaks the rules of profile {profile.name}", findings)
