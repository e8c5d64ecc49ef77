"""Image layouts made out of a few words each: the `layout.json` of a fixture, and the defect that it names.

    {"images": [{"layers": [{"members": ["directory d", "file d/a", "symlink d/b -> a"]}]}]}

Everything that is not said is as it should be: what is made of `{"images": [{}]}` breaks no rule. Only the standard library
is used, so that what is wrong in the product cannot be wrong here in the same way.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from tests.fake_registry import FakeRegistry

Json = dict[str, Any]

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
TYPES = {
    "oci": (f"{OCI}index.v1+json", f"{OCI}manifest.v1+json", f"{OCI}config.v1+json", f"{OCI}layer.v1.tar+gzip"),
    "docker": (
        f"{DOCKER}distribution.manifest.list.v2+json",
        f"{DOCKER}distribution.manifest.v2+json",
        f"{DOCKER}container.image.v1+json",
        f"{DOCKER}image.rootfs.diff.tar.gzip",
    ),
}
SOURCE = {"org.opencontainers.image.source": "https://github.com/octocat/hello"}
LINUX = {"os": "linux", "architecture": "amd64"}
KINDS = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "sparse": tarfile.GNUTYPE_SPARSE,
    "unknown": b"Z",
}


def tar_of(members: list[str], spoil: str | None = None) -> bytes:
    """A tar of such lines as `file etc/motd` and `symlink a -> b`, and what is then done to it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for line in members:
            words, _, target = line.partition(" -> ")
            kind, _, name = words.partition(" ")
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = KINDS[kind], target, 0o755
            content = b"" if kind != "file" or ".wh." in name else b"content of a file"
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    raw = stream.getvalue()
    spoilt = {
        None: raw,
        "header": raw[:10] + b"?" + raw[11:],
        "cut": raw[: 512 + 10],
        "no end": raw.rstrip(b"\0").ljust(-(-len(raw.rstrip(b"\0")) // 512) * 512, b"\0"),
        "goes on": raw + b"and more".ljust(512, b"\0"),
    }
    return spoilt[spoil]


def packed(raw: bytes, how: str) -> bytes:
    if how == "zstd":
        return zstandard.ZstdCompressor().compress(raw)
    return gzip.compress(raw, mtime=0) if how == "gzip" else raw


@dataclass
class Layout:
    """A layout in the making: its blobs, and what its index.json names."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    top: Json = field(default_factory=dict)
    by_role: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)  # digest -> media type, children first
    tars: dict[str, bytes] = field(default_factory=dict)  # of the last image, by name
    raw_config: bytes = b""

    def put(self, role: str, content: bytes, media_type: str, **fields: Any) -> Json:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        self.by_role[role] = digest
        if role in ("manifest", "index"):
            self.manifests[digest] = media_type
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}

    def spoil(self, role: str, how: str) -> None:
        """Damage the blob of a role, under the digest that it had."""
        digest = self.by_role[role]
        blob = self.blobs.pop(digest)
        changed = {"flip": blob[:-1] + bytes([blob[-1] ^ 1]), "cut": blob[:-1], "append": blob + b"\n"}
        if how != "remove":
            self.blobs[digest] = changed[how]

    def write(self, directory: Path) -> None:
        for digest, blob in self.blobs.items():
            path = directory / "blobs" / digest.replace(":", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blob)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [self.top]}))

    def write_archive(self, path: Path, work: Path) -> None:
        """The same as one tar."""
        self.write(work)
        with tarfile.open(path, "w") as archive:
            archive.add(work, "")

    def write_docker_archive(self, path: Path) -> None:
        """The config and the plain tars of the last image, as `docker save` writes them."""
        item = {"Config": "config.json", "RepoTags": ["example.org/app:v1"], "Layers": list(self.tars)}
        files = {**self.tars, "config.json": self.raw_config, "manifest.json": json.dumps([item]).encode()}
        with tarfile.open(path, "w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    def push(self, registry: FakeRegistry, name: str) -> str:
        """Store everything in a registry, unchecked, and give the reference by digest."""
        for digest, blob in self.blobs.items():
            if digest in self.manifests:
                registry.add_manifest(name, blob, self.manifests[digest], digest=digest)
            else:
                registry.add_blob(name, blob, digest)
        return f"{registry.host}/{name}@{self.top['digest']}"


def layout_of(facts: Json) -> Layout:
    """The layout that `facts`, the content of a `layout.json`, describes."""
    made = Layout()
    family = facts.get("family", "oci")
    images = [_image(made, image, family) for image in facts.get("images", [{}])]
    made.top = images[0]
    if len(images) > 1 or "index" in facts:
        index_type = TYPES[family][0]
        annotations = {} if family == "docker" else {"annotations": SOURCE}
        index = {"schemaVersion": 2, "mediaType": index_type, "manifests": images, **annotations}
        made.top = made.put("index", _json({**index, **facts.get("index", {})}), index_type)
    made.top |= facts.get("top", {})
    for role, how in facts.get("spoil", {}).items():
        made.spoil(role, how)
    return made


def _image(made: Layout, facts: Json, family: str) -> Json:
    _, manifest_type, config_type, _ = TYPES[family]
    made.tars = {}
    layers = [_layer(made, layer, family) for layer in facts.get("layers", [{}])]
    platform = facts.get("platform", LINUX)
    config = {
        **platform,
        "config": {"Labels": SOURCE},
        "created": "2026-01-31T12:00:00Z",
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created_by": "a test"} for _ in layers],
        **facts.get("config", {}),
    }
    made.raw_config = facts["raw_config"].encode() if "raw_config" in facts else _json(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": made.put("config", made.raw_config, facts.get("config_type", config_type)),
        "layers": [descriptor for descriptor, _ in layers],
        **facts.get("manifest", {}),
    }
    named_for = facts.get("named_for", platform)
    return made.put("manifest", _json(manifest), manifest_type, **({"platform": named_for} if named_for else {}))


def _layer(made: Layout, facts: Json, family: str) -> tuple[Json, str]:
    raw = tar_of(facts.get("members", ["file hello"]), facts.get("spoil"))
    raw += bytes(facts.get("zeros", 0))
    blob = packed(raw, facts.get("packed", "gzip"))
    blob = blob[: len(blob) - facts.get("cut", 0)]
    made.tars[f"{len(made.tars)}/layer.tar"] = raw
    diff_id = facts.get("diff_id") or "sha256:" + hashlib.sha256(raw).hexdigest()
    return made.put("layer", blob, facts.get("media_type", TYPES[family][3]), **facts.get("descriptor", {})), diff_id


def _json(document: Json) -> bytes:
    return json.dumps(document).encode()
