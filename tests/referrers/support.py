"""What the tests of this folder share: images in registries and layouts, files to attach, and what is listed where."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocibuild import api
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.referrers import referrers_tag
from ocibuild.store.layout import Layout
from tests.fake_registry import FakeRegistry, image_of, index_of
from tests.fake_registry.images import as_json, descriptor_of
from tests.fake_registry.manifests import OCI_INDEX, OCI_MANIFEST
from tests.recipes.support import Desk
from tests.store.images import AMD64, add_image, add_index, layer_tar

SBOM, NOTES = "application/spdx+json", "application/vnd.example.notes"
REPOSITORY = "team/app"
IMAGE = image_of()
INDEX = index_of(image_of(), image_of(architecture="arm64"))
LIST_TAG = referrers_tag(parse_digest(IMAGE.digest))


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact as another client would make it."""

    manifest: bytes

    @property
    def descriptor(self) -> dict[str, Any]:
        return descriptor_of(self.manifest, OCI_MANIFEST)

    @property
    def digest(self) -> str:
        return str(self.descriptor["digest"])


def artifact_on(subject: str | None, name: str = "signature", **fields: Any) -> Artifact:
    """An artifact without files of its own about a manifest; put it with `put`, or list it with `list_of`."""
    empty = descriptor_of(b"{}", "application/vnd.oci.empty.v1+json")
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": NOTES,
        "config": empty,
        "layers": [empty],
        "annotations": {"name": name},
        **({"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}} if subject else {}),
        **fields,
    }
    return Artifact(as_json(document))


def put(registry: FakeRegistry, artifact: Artifact, *tags: str) -> str:
    """Store an artifact as it is; no list is kept."""
    registry.add_blob(REPOSITORY, b"{}")
    return registry.add_manifest(REPOSITORY, artifact.manifest, OCI_MANIFEST, *tags)


def list_of(*artifacts: Artifact) -> bytes:
    """A list of referrers as careless clients write it (cosign#4641): neither types nor annotations."""
    manifests = [artifact.descriptor for artifact in artifacts]
    return as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def listed(registry: FakeRegistry, tag: str = LIST_TAG) -> list[dict[str, Any]] | None:
    """What the list under a tag names; None if there is no such tag."""
    found = registry.manifest(REPOSITORY, tag)
    if found is None:
        return None
    assert found.media_type == OCI_INDEX
    entries: list[dict[str, Any]] = json.loads(found.data)["manifests"]
    return entries


def digests(entries: list[dict[str, Any]] | None) -> list[str]:
    return [entry["digest"] for entry in entries or ()]


def at(registry: FakeRegistry, tag: str = "1.0") -> str:
    return f"{registry.host}/{REPOSITORY}:{tag}"


def attach(desk: Desk, place: str, text: str = "{}", **options: Any) -> str:
    """Attach a file with this text, under a name made of its type; gives the artifact's digest."""
    artifact_type, platform = options.pop("type", SBOM), options.pop("platform", None)
    file = write(desk.directory, text)
    attachment = api.Attachment(file, artifact_type, **options)
    return str(api.attach(desk.at(place), attachment, desk.places, platform=platform).digest)


def referrers(desk: Desk, place: str, **options: Any) -> list[str]:
    """The digests of what refers to an image."""
    return [str(each.digest) for each in api.referrers(desk.at(place), desk.places, **options).referrers]


def write(directory: Path, text: str, name: str = "sbom.json") -> Path:
    file = directory / name
    file.write_text(text)
    return file


def layout_with_image(directory: Path, name: str = "layout", *, tag: str = "1.0") -> Layout:
    """A layout with an index of one image, under a tag."""
    layout = Layout.create(directory / name)
    image = add_image(layout, layer_tar("hello"))
    index = add_index(layout, replace(image, platform=AMD64))
    layout.name(index, tag=tag)
    return layout
