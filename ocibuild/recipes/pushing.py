"""Images out of layouts and archives -> registries: checks first, then blobs, manifests, tags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocibuild.assembly import destinations_of, names_of
from ocibuild.checks.image_rules import check_image
from ocibuild.checks.image_subject import ImageUnderCheck
from ocibuild.checks.label_policy import RULES as POLICY_RULES
from ocibuild.checks.profiles import Profile, profile_for
from ocibuild.checks.rule import judge
from ocibuild.checks.waivers import waive
from ocibuild.errors import FindingsError, NotFoundError, OcibuildError, RegistryError, StoreError
from ocibuild.events import Noted, Stage
from ocibuild.findings import Finding
from ocibuild.graph import Node, find_manifest, read_configs, read_graph
from ocibuild.image import layer_names
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig
from ocibuild.oci.location import LocalLocation
from ocibuild.oci.reference import Reference, tags_by_repository
from ocibuild.plan import Plan
from ocibuild.policy import LabelPolicy, Waiver
from ocibuild.recipes.pace import UploadPace
from ocibuild.recipes.places import Places
from ocibuild.recipes.titles import titles_of_image
from ocibuild.store.places import open_location
from ocibuild.transfer import Manner, Transferred, transfer

if TYPE_CHECKING:
    from ocibuild.differences import Difference

UPLOADS = 4  # at once: what registries bear well
_BUILD_FIRST = "run `ocibuild build` first"


@dataclass(frozen=True, slots=True)
class Terms:
    """How to push. `profile` None is that of each destination's host; `by_digest` leaves tags alone; with `no_clobber` a tag
    that points to another image is not moved. `look_back` asks what the tags pointed to before, and compares."""

    profile: Profile | None = None
    no_clobber: bool = False
    by_digest: bool = False
    look_back: bool = False
    jobs: int = UPLOADS

    def profile_of(self, repository: Reference) -> Profile:
        return self.profile or profile_for(repository.host)


@dataclass(frozen=True, slots=True)
class Errand:
    """One image on its way to one repository, with what its spec demands of it, and what it lets pass."""

    root: Node
    configs: Mapping[Digest, ImageConfig]
    repository: Reference
    tags: tuple[str, ...]
    policy: LabelPolicy | None = None
    waivers: tuple[Waiver, ...] = ()

    @property
    def digest(self) -> Digest:
        return self.root.descriptor.digest

    @property
    def name(self) -> Reference:
        """The repository, with the first tag if there is one."""
        return self.repository.with_tag(self.tags[0]) if self.tags else self.repository

    @property
    def titles(self) -> dict[Digest, str]:
        """What the spec calls the layers, as far as the image's history tells."""
        titles: dict[Digest, str] = {}
        for _, manifest in self.root.manifests():
            config = self.configs.get(manifest.config.digest)
            if config is not None:
                titles |= {layer.digest: name for layer, name in layer_names(manifest, config)}
        return titles


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image that is in a registry: its documents, what had to travel, and what the destination's profile warns of.

    `change` is what differs from the image that one of its tags pointed to before; None if there was none, or nobody asked.
    """

    errand: Errand
    transferred: Transferred
    findings: tuple[Finding, ...] = ()
    change: Difference | None = None

    @property
    def reference(self) -> Reference:
        """`NAME@DIGEST`."""
        return self.errand.repository.with_digest(self.errand.digest)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.errand.tags


def push(
    image: Descriptor, reader: ImageReader, destinations: Sequence[Reference], places: Places, terms: Terms = Terms()
) -> tuple[Pushed, ...]:
    """Check an image, then send it to every repository of `destinations`, under all the tags given for it.

    FindingsError before any request if it breaks a rule of a destination's profile.
    """
    return _run(errands(image, reader, destinations, terms), reader, places, terms)


def push_plans(
    plans: Sequence[Plan],
    output: LocalLocation,
    destinations: Sequence[Reference],
    places: Places,
    terms: Terms = Terms(),
) -> tuple[Pushed, ...]:
    """Push what was built of `plans` in `output`: to the destinations that are given, else to each plan's own.

    UsageError where nothing says where to, StoreError where there is no `output`, NotFoundError where a plan was not built,
    FindingsError where an image breaks a rule: all before any request.
    """
    ways, reader = errands_of(plans, output, destinations, places, terms)
    return _run(ways, reader, places, terms, several=len(plans) > 1)


def errands_of(
    plans: Sequence[Plan], output: LocalLocation, destinations: Sequence[Reference], places: Places, terms: Terms
) -> tuple[tuple[Errand, ...], ImageReader]:
    """Every way that pushing `plans` has to go, and the place that all of them begin at."""
    targets = [destinations_of(plan, destinations, by_digest=terms.by_digest) for plan in plans]
    if not os.path.exists(output.path):
        raise StoreError(f"{output} does not exist", hint=_BUILD_FIRST)
    reader = places.reader(output)
    images = [_find_built(plan, reader, output) for plan in plans]
    ways = tuple(
        replace(_as_planned(errand, plan, output), policy=plan.policy, waivers=plan.waivers)
        for plan, image, references in zip(plans, images, targets, strict=True)
        for errand in errands(image, reader, references, terms)
    )
    return ways, reader


def errands(
    image: Descriptor, reader: ImageReader, destinations: Sequence[Reference], terms: Terms
) -> tuple[Errand, ...]:
    """One image's way to each repository of `destinations`."""
    root = read_graph(reader, image)
    configs = read_configs(reader, root)
    repositories = tags_by_repository(destinations)
    return tuple(Errand(root, configs, name, () if terms.by_digest else tags) for name, tags in repositories.items())


def findings_of(errand: Errand, terms: Terms) -> tuple[Finding, ...]:
    """What the destination's profile and the spec's policy have against the image, but for what the spec's waivers let pass."""
    profile = terms.profile_of(errand.repository)
    image = ImageUnderCheck(str(errand.repository), errand.root, errand.configs, profile)
    demanded = [
        finding
        for labels in image.label_sets()
        for finding in judge(POLICY_RULES, replace(labels, policy=errand.policy))
    ]
    found = dict.fromkeys((*check_image(image), *demanded))
    return tuple(waive(tuple(found), errand.waivers, datetime.now(UTC).date())[0])


def _run(
    ways: Sequence[Errand], reader: ImageReader, places: Places, terms: Terms, *, several: bool = False
) -> tuple[Pushed, ...]:
    for errand in ways:
        _refuse_findings(errand, terms)
    if terms.no_clobber:
        for errand in ways:
            _refuse_moves(errand, places)
    return tuple(_carry_out(errand, reader, places, terms, several=several) for errand in ways)


def _carry_out(errand: Errand, reader: ImageReader, places: Places, terms: Terms, *, several: bool) -> Pushed:
    titles = titles_of_image(errand.root, errand.configs)
    manner = Manner(terms.jobs, places.emit, Stage.SEND, titles, errand.name if several else None)
    change = _change(errand, places) if terms.look_back else None
    with places.heard_by(UploadPace(places.emit, terms.profile_of(errand.repository), places.clock)):
        done = transfer(errand.root, reader, places.repository(errand.repository), errand.tags, manner)
    return Pushed(errand, done, findings_of(errand, terms), change)


def _change(errand: Errand, places: Places) -> Difference | None:
    """What the push changes under the first tag that it moves, as far as documents tell. Nothing depends on it."""
    from ocibuild.recipes.comparing import diff_documents  # what a push alone need not load

    repository = places.repository(errand.repository)
    try:
        for tag in errand.tags:
            if repository.tagged(tag) not in (None, errand.digest):
                before = read_graph(repository, repository.resolve(tag))
                return diff_documents((before, read_configs(repository, before)), (errand.root, errand.configs))
    except OcibuildError as error:
        places.emit(Noted(f"what changes in {errand.repository} is not known: {error.what}"))
    return None


def _refuse_findings(errand: Errand, terms: Terms) -> None:
    findings = findings_of(errand, terms)
    if any(finding.is_error for finding in findings):
        breached = f"the rules of profile {terms.profile_of(errand.repository).name}"
        if {finding.rule for finding in findings if finding.is_error} <= {rule.id for rule in POLICY_RULES}:
            breached = "the policy of its spec"
        raise FindingsError(f"{errand.repository} is not pushed: the image breaks {breached}", findings)


def _refuse_moves(errand: Errand, places: Places) -> None:
    for tag in errand.tags:
        present = places.repository(errand.repository).tagged(tag)
        if present not in (None, errand.digest):
            raise RegistryError(
                f"{errand.repository.with_tag(tag)} is there already, and points to another image ({present})",
                hint="push under a new tag, or without --no-clobber",
            )


def _as_planned(errand: Errand, plan: Plan, output: LocalLocation) -> Errand:
    """The errand, if the image is for no other platforms than its plan: it was built before the plan was made."""
    planned = {(part.platform.os, part.platform.architecture) for part in plan.platforms}
    built = [config.platform for config in errand.configs.values()]
    known = [platform for platform in built if platform.os and platform.architecture]
    strange = [platform for platform in known if (platform.os, platform.architecture) not in planned]
    if strange:
        wanted = ", ".join(str(part.platform) for part in plan.platforms)
        raise NotFoundError(
            f"the image in {output} is for {', '.join(map(str, built))}, and wanted is {wanted}",
            hint="run `ocibuild build` again, with the same --platform",
        )
    return errand


def _find_built(plan: Plan, reader: ImageReader, output: LocalLocation) -> Descriptor:
    """What `build` put into `output` for this plan: what has exactly its name, else what its name means there.

    A plan for one platform is a single image: out of an index that was built for several, the one for it.
    """
    name = next(iter(names_of(plan)), None)
    key = plan.image.name if plan.image else "", plan.tags[0] if plan.tags else ""
    try:
        exact = (entry.descriptor for entry in open_location(output).entries() if entry.key == key)
        found = next(exact, None) or reader.resolve(name)
    except (NotFoundError, StoreError) as error:
        raise NotFoundError(
            f"{name or 'the image'} is not in {output}", where=error.where, hint=_BUILD_FIRST
        ) from error
    if not plan.is_index:
        with suppress(NotFoundError):  # an index of something else: the checks will say what
            return find_manifest(reader, found, plan.platforms[0].platform)[0]
    return found
