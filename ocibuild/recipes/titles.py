"""What progress calls layers and documents: their names, with the platform where a name alone does not tell them apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ocibuild.graph import Node
from ocibuild.image import layer_names
from ocibuild.oci.digest import Digest
from ocibuild.oci.documents import ImageConfig
from ocibuild.oci.platform import Platform
from ocibuild.plan import LayerPlan, Plan


def titles_of_plans(plans: Sequence[Plan]) -> Mapping[LayerPlan, str]:
    """`app`, or `app (linux/arm64)` for a layer that not all platforms of its image have."""
    titles: dict[LayerPlan, str] = {}
    for plan in plans:
        every = [part.platform for part in plan.platforms]
        users: dict[LayerPlan, list[Platform]] = {}
        for part in plan.platforms:
            for layer in part.layers:
                users.setdefault(layer, []).append(part.platform)
        for layer, own in users.items():
            titles.setdefault(layer, _title(layer.name, own, every))
    return titles


def titles_of_image(root: Node, configs: Mapping[Digest, ImageConfig]) -> Mapping[Digest, str]:
    """The same for everything below `root` that has a name: layers that the history names, and what an index leads to."""
    every = [node.descriptor.platform for node, _ in root.manifests() if node.descriptor.platform]
    titles: dict[Digest, str] = {}
    users: dict[tuple[Digest, str], list[Platform]] = {}
    for node, manifest in root.manifests():
        platform, config = node.descriptor.platform, configs.get(manifest.config.digest)
        titles[manifest.config.digest] = f"config {platform or ''}".rstrip()
        if platform is not None:
            titles[node.descriptor.digest] = str(platform)
        for layer, name in layer_names(manifest, config) if config is not None else ():
            users.setdefault((layer.digest, name), []).extend([platform] if platform else [])
    if root.children:
        titles[root.descriptor.digest] = "index"
    return {**titles, **{digest: _title(name, own, every) for (digest, name), own in users.items()}}


def _title(name: str, own: Collection[Platform], every: Iterable[Platform]) -> str:
    return name if set(every) <= set(own) else f"{name} ({', '.join(map(str, own))})"
