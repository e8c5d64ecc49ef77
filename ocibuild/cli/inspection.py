"""What `ocibuild inspect` shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Any

from ocibuild import api
from ocibuild.cli.messages import printable
from ocibuild.oci.documents import ImageConfig, Index, Manifest
from ocibuild.sizes import human_size

_TITLE_WIDTH = 100  # `created_by` may be a whole shell script
_SETS = {"ExposedPorts": "Ports", "Volumes": "Volumes"}


def inspection_as_json(found: api.Inspection) -> dict[str, Any]:
    """The image with all its documents; keys of the documents are those of the OCI specifications."""
    document = found.root.document
    images = [
        {
            "digest": str(node.descriptor.digest),
            "mediaType": manifest.media_type,
            "platform": str(platform) if (platform := _platform(node, found)) else None,
            "annotations": dict(manifest.annotations),
            "descriptorAnnotations": dict(node.descriptor.annotations),
            "config": dict(config.document) if (config := found.configs.get(manifest.config.digest)) else None,
            "layers": [layer.to_json() for layer in manifest.layers],
            "size": sum(layer.size for layer in manifest.layers),
        }
        for node, manifest in found.root.manifests()
    ]
    return {
        "name": str(found.location),
        "digest": str(found.root.descriptor.digest),
        "mediaType": document.media_type,
        "annotations": dict(document.annotations),
        "images": images,
    }


def inspection_as_text(found: api.Inspection) -> str:
    """The same for people."""
    return "".join(f"{printable(line)}\n" for line in _lines(found))


def _lines(found: api.Inspection) -> Iterator[str]:
    document = found.root.document
    yield f"Name:       {found.location}"
    yield f"Digest:     {found.root.descriptor.digest}"
    yield f"MediaType:  {document.media_type}"
    if isinstance(document, Index):
        yield from _map("Annotations", document.annotations, "")
    for node, manifest in found.root.manifests():
        indent = ""
        if isinstance(document, Index):
            yield ""
            yield f"Image:      {node.descriptor.digest}"
            yield from _map("On descriptor", node.descriptor.annotations, "  ")
            indent = "  "
        yield from _image(manifest, found.configs.get(manifest.config.digest), indent)


def _image(manifest: Manifest, config: ImageConfig | None, indent: str) -> Iterator[str]:
    if config is not None:
        version = f" ({config.platform.os_version})" if config.platform.os_version else ""
        yield f"{indent}Platform:   {config.platform}{version}"
        yield f"{indent}Created:    {config.document.get('created', 'unknown')}"
        yield from _settings(config.settings, indent)
        yield from _map("Labels", config.settings.get("Labels") or {}, indent)
    elif manifest.artifact_type:
        yield f"{indent}Artifact:   {manifest.artifact_type}"
    yield from _map("Annotations", manifest.annotations, indent)
    total = sum(layer.size for layer in manifest.layers)
    yield f"{indent}Layers:     {len(manifest.layers)}, {human_size(total)}"
    titles = dict(enumerate(config.layer_titles if config else ()))
    for number, layer in enumerate(manifest.layers):
        yield f"{indent}  {layer.digest}  {human_size(layer.size):>8}  {layer.media_type}"
        if title := titles.get(number):
            yield f"{indent}    by {shorten(title, _TITLE_WIDTH, placeholder=' ...')}"
        for url in layer.urls:
            yield f"{indent}    from {url}"


def _settings(settings: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key in ("User", "Entrypoint", "Cmd", "WorkingDir", "StopSignal"):
        if value := settings.get(key):
            yield f"{indent}{key + ':':<11} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
    for key, title in _SETS.items():
        if settings.get(key):
            yield f"{indent}{title + ':':<11} {', '.join(sorted(settings[key]))}"
    for item in settings.get("Env") or ():
        yield f"{indent}Env:        {item}"


def _map(title: str, values: Mapping[str, Any], indent: str) -> Iterator[str]:
    if values:
        yield f"{indent}{title}:"
        for key, value in sorted(values.items()):
            yield f"{indent}  {key}: {value}"


def _platform(node: api.Node, found: api.Inspection) -> object:
    if node.descriptor.platform is not None:
        return node.descriptor.platform
    manifest = node.document
    config = found.configs.get(manifest.config.digest) if isinstance(manifest, Manifest) else None
    return config.platform if config else None
