"""Plans, bases and layers for tests of documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ocibuild.image import BaseImage
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.digest import sha256
from ocibuild.oci.documents import Manifest, parse_config, parse_document
from ocibuild.oci.media_type import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Format
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.plan import BuiltLayer, Plan, PlatformPlan

CREATED = "2001-09-09T01:46:40Z"
AMD64 = parse_platform("linux/amd64")


def layer(name: str, media_type: str = f"{OCI_LAYER}+gzip", **facts: Any) -> Descriptor:
    """A layer that is only talked about."""
    return describe(name.encode(), media_type, **facts)


def built(name: str, media_type: str = f"{OCI_LAYER}+gzip") -> BuiltLayer:
    return BuiltLayer(name, layer(name, media_type), sha256(f"plain {name}".encode()))


def plan(*parts: PlatformPlan, **facts: Any) -> Plan:
    defaults: dict[str, Any] = {"image": None, "tags": (), "format": Format.OCI, "created": CREATED}
    return Plan(**{**defaults, "platforms": parts or (PlatformPlan(AMD64, ()),), **facts})


def base(
    config: Mapping[str, Any] | None = None,
    layers: Sequence[Descriptor] = (),
    *,
    name: str | None = "ghcr.io/o/base:1",
    **document: Any,
) -> BaseImage:
    """A base with this `config` object and these layers; `document` is what its config document says besides."""
    whole: dict[str, Any] = {
        "os": "linux",
        "architecture": "amd64",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [str(sha256(f"diff {each.digest}".encode())) for each in layers]},
        **document,
    }
    raw = json.dumps(whole).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": describe(raw, OCI_CONFIG).to_json(),
        "layers": [each.to_json() for each in layers],
    }
    parsed = parse_document(json.dumps(manifest).encode(), OCI_MANIFEST, subject="base")
    assert isinstance(parsed, Manifest)
    return BaseImage(parsed, parse_config(raw, subject="base"), sha256(b"what the name led to"), name)


def windows(version: str = "10.0.17763.1") -> Platform:
    return Platform("windows", "amd64", None, version, ("win32k",))
