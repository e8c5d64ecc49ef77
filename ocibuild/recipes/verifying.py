"""Images verified, wherever they are: every byte read once, every rule for images applied, nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ocibuild.borrowing import BorrowingReader
from ocibuild.checks.catalogue import Selection
from ocibuild.checks.image_contents import ContentUnderCheck, Damage, Harm
from ocibuild.checks.image_subject import ImageUnderCheck, is_runnable
from ocibuild.checks.profiles import Profile, profile_for, profile_named
from ocibuild.checks.rule import Rule, Scope, judge
from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.findings import Finding
from ocibuild.oci.blobs import ImageReader
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.layer_limits import LIMITS, Limits
from ocibuild.oci.location import Location, RegistryLocation, name_in
from ocibuild.oci.referrers import is_referrers_tag
from ocibuild.recipes.places import Places
from ocibuild.recipes.verify_contents import Documents, read_documents, read_layers
from ocibuild.store.places import open_location


@dataclass(frozen=True, slots=True)
class VerifyTerms:
    """How to verify. `profile` None is that of each image's host."""

    profile: Profile | None = None
    selection: Selection = field(default_factory=Selection)
    jobs: int = 4
    limits: Limits = LIMITS

    def rules(self, scope: Scope) -> tuple[Rule[Any], ...]:
        """The rules of a scope that are to be applied."""
        return self.selection.rules(scope)

    def profile_of(self, host: str | None) -> Profile:
        return self.profile or (profile_for(host) if host else profile_named("generic"))


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found, image by image; and how much was read: images that can run, the platforms that they come to together,
    layers, and their packed bytes."""

    findings: tuple[Finding, ...]
    images: int
    platforms: int
    layers: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Image:
    """An image in a place: what findings call it, where it begins, the registry that it belongs to."""

    name: str
    top: Descriptor
    host: str | None


def verify(locations: Sequence[Location], places: Places, terms: VerifyTerms = VerifyTerms()) -> VerifyReport:
    """Read images to their last byte, and judge them. Of a layout or an archive without a name, all images that it names.

    What is wrong with an image is found; errors are raised for what cannot be looked at: NotFoundError where there is no such
    image, StoreError where there is no layout, NetworkError, AuthError. Blobs that a layout left in a registry are read there.
    Lists of referrers are no images.
    """
    reports = [_verify_place(location, places, terms) for location in locations]
    return VerifyReport(
        tuple(dict.fromkeys(finding for report in reports for finding in report.findings)),
        sum(report.images for report in reports),
        sum(report.platforms for report in reports),
        sum(report.layers for report in reports),
        sum(report.bytes for report in reports),
    )


def _verify_place(location: Location, places: Places, terms: VerifyTerms) -> VerifyReport:
    try:
        reader, images = _opened(location, places)
    except NotFoundError:
        raise
    except IntegrityError as error:
        damage = Damage(Harm.MALFORMED, error.what, error.hint)
        content = ContentUnderCheck(str(location), (damage,), (), (), {})
        return VerifyReport(judge(terms.rules(Scope.CONTENT), content), 0, 0, 0, 0)
    documents = [read_documents(reader, image.top) for image in images]
    uses = [use for each in documents for use in each.layer_uses()]
    layers = read_layers(reader, uses, jobs=terms.jobs, limits=terms.limits, emit=places.emit)
    findings = [
        finding
        for image, each in zip(images, documents, strict=True)
        for finding in _judged(image, each, layers.content(image.name, each), terms)
    ]
    runnable = _runnable(documents)
    platforms = {digest for digests in runnable.values() for digest in digests}
    return VerifyReport(tuple(findings), len(runnable), len(platforms), layers.count, layers.read_bytes)


def _opened(location: Location, places: Places) -> tuple[ImageReader, list[_Image]]:
    if isinstance(location, RegistryLocation):
        reader: ImageReader = places.repository(location.reference)
        top = reader.resolve(name_in(location))
        return reader, [_Image(str(location), top, location.reference.host)]
    place = open_location(location)
    entries = {entry.descriptor.digest: entry for entry in place.entries() if not is_referrers_tag(entry.tag)}
    hosts = {digest: entry.reference.host for digest, entry in entries.items() if entry.reference}
    if location.name is not None:
        named = [(location, place.resolve(location.name))]
    elif len(entries) == 1:
        named = [(location, entry.descriptor) for entry in entries.values()]
    else:
        named = [(replace(location, name=str(entry)), entry.descriptor) for entry in entries.values()]
    images = [_Image(str(each), top, hosts.get(top.digest)) for each, top in named]
    return BorrowingReader(place, places.repository), images


def _judged(image: _Image, documents: Documents, content: ContentUnderCheck, terms: VerifyTerms) -> Iterator[Finding]:
    yield from judge(terms.rules(Scope.CONTENT), content)
    if documents.root is None:
        return
    subject = ImageUnderCheck(image.name, documents.root, documents.configs, terms.profile_of(image.host))
    yield from judge(terms.rules(Scope.IMAGE), subject)
    for labels in subject.label_sets():
        yield from judge(terms.rules(Scope.LABELS), labels)


def _runnable(documents: Sequence[Documents]) -> dict[Digest, set[Digest]]:
    """The manifests that can run, by the image that they belong to."""
    roots = [each.root for each in documents if each.root is not None]
    found = {
        root.descriptor.digest: {node.descriptor.digest for node, _ in root.manifests() if is_runnable(node)}
        for root in roots
    }
    return {root: manifests for root, manifests in found.items() if manifests}
