"""How images are named where many lie together: two annotations on a descriptor, and how a name finds its image. Pure.

As containerd does it, `org.opencontainers.image.ref.name` holds the tag and `io.containerd.image.name` the full reference.
Other tools put a full reference into the former (podman), or know no image names at all (skopeo, umoci): all are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ocibuild.errors import NotFoundError, UsageError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest, parse_digest
from ocibuild.oci.reference import Reference, parse_reference, parse_tag
from ocibuild.oci.referrers import is_referrers_tag

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"
NAMELESS = ("", "")  # the key of what has neither image nor tag
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a layout or an archive. `tag` is the reference's, or the bare name that another tool gave it."""

    reference: Reference | None
    tag: str | None
    descriptor: Descriptor

    @property
    def key(self) -> tuple[str, str]:
        """Image and tag, empty where there is none. What is built under the key of an entry takes its place."""
        return self.reference.name if self.reference else "", self.tag or ""

    def __str__(self) -> str:
        if self.reference:
            return str(self.reference)
        return self.tag or str(self.descriptor.digest)


def named(
    descriptor: Descriptor,
    *,
    reference: Reference | None = None,
    tag: str | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """`descriptor` with these annotations, named `tag` (default: the reference's) of the image `reference`, if any.

    Names that the descriptor had before are dropped. UsageError if `tag` is not one.
    """
    tag = tag or (reference.tag if reference else None)
    names = {}
    if tag is not None:
        names[REF_NAME] = parse_tag(tag)
    if reference is not None:
        names[IMAGE_NAME] = str(replace(reference, tag=tag, digest=None))
    others = {key: text for key, text in descriptor.annotations.items() if key not in (REF_NAME, IMAGE_NAME)}
    return replace(descriptor, annotations={**others, **(annotations or {}), **names})


def entry_of(descriptor: Descriptor) -> Entry:
    """What the annotations of `descriptor` say about its name."""
    ref_name = descriptor.annotations.get(REF_NAME) or None
    image_name = descriptor.annotations.get(IMAGE_NAME) or None
    return entry_named(image_name or ref_name, descriptor, tag=ref_name)


def entry_named(name: str | None, descriptor: Descriptor, *, tag: str | None = None) -> Entry:
    """The entry of an image that is called `name`; `tag` counts where that is no reference, or one without a tag."""
    reference = full_reference(name) if name else None
    if reference is None:
        return Entry(None, tag or name, descriptor)
    reference = replace(reference, tag=reference.tag or _bare_tag(tag), digest=None)
    return Entry(reference, reference.tag, descriptor)


def full_reference(text: str) -> Reference | None:
    """The reference that `text` spells; None for a bare tag, and for any name that is no reference."""
    if ":" not in text and "/" not in text:
        return None
    try:
        return parse_reference(text)
    except UsageError:
        return None


def _bare_tag(text: str | None) -> str | None:
    try:
        return parse_tag(text) if text else None
    except UsageError:
        return None


def digest_in(name: str) -> Digest | None:
    """The digest, if `name` is one or ends with `@` and one: then it alone decides. UsageError for a malformed one."""
    text = name.rpartition("@")[2]
    return parse_digest(text) if text.startswith(("sha256:", "sha512:")) else None


def choose(entries: Sequence[Entry], name: str | None, *, where: str) -> Descriptor:
    """The one image of `entries` that is called `name`, or (None) the only one there is; lists of referrers do not count.

    A full reference, a repository or a tag will do, as long as it means one image: several names of one digest are one.
    NotFoundError or UsageError list what there is instead.
    """
    if name is None:
        entries = [entry for entry in entries if not is_referrers_tag(entry.tag)]
    found = [entry for entry in entries if name is None or is_called(entry, name)]
    if not found:
        raise _not_found(entries, name, where)
    if len({entry.descriptor.digest for entry in found}) > 1:
        what = f"{where} holds several images" if name is None else f"{name!r} means several images in {where}"
        raise UsageError(what, hint=f"name one of: {_listed(found)}")
    return found[0].descriptor


def is_called(entry: Entry, name: str) -> bool:
    """Whether `name`, a full reference, a repository or a tag, means this entry."""
    if name == entry.tag:
        return True
    wanted = full_reference(name)
    if wanted is None or entry.reference is None:
        return False
    return wanted.name == entry.reference.name and wanted.tag in (None, entry.tag)


def _not_found(entries: Sequence[Entry], name: str | None, where: str) -> NotFoundError:
    if not entries:
        return NotFoundError(f"{where} holds no image", hint="build or pull one into it first")
    known = [str(entry) for entry in entries] + [entry.tag for entry in entries if entry.tag]
    near = get_close_matches(name or "", known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it holds: {_listed(entries)}"
    return NotFoundError(f"{where} holds no image {name!r}", hint=hint)


def _listed(entries: Sequence[Entry]) -> str:
    names = sorted({str(entry) for entry in entries})
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
