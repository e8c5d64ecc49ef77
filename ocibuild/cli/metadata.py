"""What was built or pushed, under the keys that users of `docker buildx build --metadata-file` know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ocibuild import api
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.platform import Platform
from ocibuild.oci.reference import Reference


def platform_as_json(
    platform: Platform | None, image: Descriptor, config: Descriptor, layers: Sequence[Descriptor]
) -> dict[str, Any]:
    """The image for one platform, with its layers."""
    return {
        "platform": str(platform),
        "digest": str(image.digest),
        "config": str(config.digest),
        "layers": [layer.to_json() for layer in layers],
    }


def built_platforms(image: api.Built) -> list[dict[str, Any]]:
    """Each platform of an image that was built."""
    return [
        platform_as_json(part.descriptor.platform, part.descriptor, part.config_descriptor, part.layers)
        for part in image.images
    ]


def metadata_of_built(image: api.Built, tags: Sequence[str]) -> dict[str, Any]:
    """An image that was built. What decides its bytes besides the sources is named, too."""
    return {
        **_metadata(image.descriptor, image.plan.image, tags, built_platforms(image)),
        "ocibuild.writer": api.WRITER,
        "ocibuild.compressors": image.plan.compressors,
    }


def metadata_of_pushed(one: api.Pushed) -> dict[str, Any]:
    """An image that is in a registry now."""
    # What a layout says of the image for itself (its name there) is not of the image.
    descriptor = replace(one.errand.root.descriptor, annotations={})
    return _metadata(descriptor, one.errand.repository, one.tags, list(_pushed_platforms(one)))


def metadata_of_index(descriptor: Descriptor, repository: Reference | None, tags: Sequence[str]) -> dict[str, Any]:
    """An index over images that were built apart."""
    return _metadata(descriptor, repository, tags, [])


def metadata_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """JSON: one image gives an object, several (or none) a list of them."""
    return json.dumps(documents[0] if len(documents) == 1 else list(documents), indent=2) + "\n"


def _pushed_platforms(one: api.Pushed) -> Iterator[dict[str, Any]]:
    for node, manifest in one.errand.root.manifests():
        config = one.errand.configs.get(manifest.config.digest)
        platform = node.descriptor.platform or (config.platform if config else None)
        yield platform_as_json(platform, node.descriptor, manifest.config, manifest.layers)


def _metadata(
    descriptor: Descriptor,
    repository: Reference | None,
    tags: Sequence[str],
    platforms: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    single = platforms[0]["config"] if len(platforms) == 1 else None
    names = [f"{repository.name}:{tag}" for tag in tags] or [repository.name] if repository else []
    return {
        "containerimage.digest": str(descriptor.digest),
        "containerimage.descriptor": descriptor.to_json(),
        **({"containerimage.config.digest": single} if single else {}),
        **({"image.name": ",".join(names)} if names else {}),
        "ocibuild.version": api.VERSION,
        **({"ocibuild.platforms": platforms} if platforms else {}),
    }
