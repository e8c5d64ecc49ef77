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
    """`app`, or `app (linux/arm64)` for a layer that not all platforms of its image have.

    Of several images, `hello:1.2.3 app`, but for a layer that more than one of them has.
    """
    users: dict[LayerPlan, dict[int, list[Platform]]] = {}
    for number, plan in enumerate(plans):
        for part in plan.platforms:
            for layer in part.layers:
                users.setdefault(layer, {}).setdefault(number, []).append(part.platform)
    return {layer: _title_among(layer.name, own, plans) for layer, own in users.items()}


def _title_among(name: str, own: Mapping[int, list[Platform]], plans: Sequence[Plan]) -> str:
    if len(own) > 1:
        return name
    ((number, platforms),) = own.items()
    title = _title(name, platforms, [part.platform for part in plans[number].platforms])
    return f"{_short_name(plans[number])} {title}" if len(plans) > 1 else title


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


def _short_name(plan: Plan) -> str:
    name = plan.image.short if plan.image else ""
    return f"{name}:{plan.tags[0]}" if plan.tags else name


def _title(name: str, own: Collection[Platform], every: Iterable[Platform]) -> str:
    return name if set(every) <= set(own) else f"{name} ({', '.join(map(str, own))})"
