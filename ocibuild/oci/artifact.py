"""Artifacts: manifests that are no image but carry files, mostly about an image (image-spec manifest.md, "Guidance for artifacts"). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ocibuild.errors import UsageError, quoted
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.media_type import OCI_EMPTY, OCI_MANIFEST

EMPTY = describe(b"{}", OCI_EMPTY, data=b"{}")
"""The config of what needs none. The descriptor holds its content, but registries want the blob all the same."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_TYPE = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)


def parse_type(text: str) -> str:
    """`text`, if it is a media type (RFC 6838, section 4.2). UsageError if not."""
    if not _TYPE.fullmatch(text):
        raise UsageError(
            f"{quoted(text)} is not a media type", hint="a media type is TYPE/SUBTYPE, such as application/spdx+json"
        )
    return text


def artifact_manifest(
    artifact_type: str, layers: Sequence[Descriptor], subject: Descriptor, annotations: Mapping[str, str]
) -> bytes:
    """The manifest of an artifact about `subject`. Equal arguments give equal bytes."""
    about = Descriptor(subject.media_type, subject.digest, subject.size)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": EMPTY.to_json(),
        "layers": [layer.to_json() for layer in layers],
        "subject": about.to_json(),
    }
    return encode({**document, "annotations": dict(annotations)} if annotations else document)
