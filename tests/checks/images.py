"""Images to be judged: documents that nobody stores, of which layers are only described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocibuild.checks.image_rules import check_image
from ocibuild.checks.image_subject import ImageUnderCheck
from ocibuild.checks.profiles import Profile, profile_named
from ocibuild.findings import Finding
from ocibuild.graph import Node
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor, describe, descriptor_from_json
from ocibuild.oci.digest import Digest, sha256
from ocibuild.oci.documents import ImageConfig, parse_config, parse_document
from ocibuild.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST

DESCRIPTION = "org.opencontainers.image.description"
LICENSES = "org.opencontainers.image.licenses"
PLATFORM = {"os": "linux", "architecture": "amd64"}
GENERIC = profile_named("generic")


@dataclass
class Sample:
    """An image in the making; `node` and `configs` are what the rules see."""

    node: Node
    configs: dict[Digest, ImageConfig] = field(default_factory=dict)

    def findings(self, profile: Profile = GENERIC) -> tuple[Finding, ...]:
        return check_image(ImageUnderCheck("example.org/app", self.node, self.configs, profile))

    def rules(self, profile: Profile = GENERIC) -> list[str]:
        return [finding.rule for finding in self.findings(profile)]


def layer(size: int = 100, **fields: Any) -> Descriptor:
    facts = {"media_type": f"{OCI_LAYER}+gzip", "digest": sha256(str(size).encode()), **fields}
    return Descriptor(size=size, **facts)


def image(
    *layers: Descriptor,
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    platform: Mapping[str, str] = PLATFORM,
    named_for: Mapping[str, str] | None = PLATFORM,
    config_type: str = OCI_CONFIG,
    **fields: Any,
) -> Sample:
    """An image whose config says `platform`, and whose descriptor in an index says `named_for`."""
    config = encode(
        {
            **platform,
            "config": {"Labels": dict(labels or {})},
            "rootfs": {"type": "layers", "diff_ids": [str(each.digest) for each in layers]},
        }
    )
    described = describe(config, config_type)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described.to_json(),
        "layers": [each.to_json() for each in layers],
        "annotations": dict(annotations or {}),
        **fields,
    }
    node = _node(document, OCI_MANIFEST, named_for)
    is_image = config_type == OCI_CONFIG
    return Sample(node, {described.digest: parse_config(config, subject="config")} if is_image else {})


def index(*samples: Sample, annotations: Mapping[str, str] | None = None) -> Sample:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [sample.node.descriptor.to_json() for sample in samples],
        "annotations": dict(annotations or {}),
    }
    node = _node(document, OCI_INDEX, None, [sample.node for sample in samples])
    return Sample(node, {digest: config for sample in samples for digest, config in sample.configs.items()})


def _node(
    document: dict[str, Any], media_type: str, platform: Mapping[str, str] | None, children: Sequence[Node] = ()
) -> Node:
    raw = encode(document)
    parsed = parse_document(raw, media_type, subject="sample")
    named = {**describe(raw, media_type).to_json(), **({"platform": dict(platform)} if platform is not None else {})}
    return Node(descriptor_from_json(named, subject="sample"), parsed, tuple(children))
