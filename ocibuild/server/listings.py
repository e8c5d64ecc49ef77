"""Tags, repositories and referrers, by pages (end-8a, 8b, 12a, 12b)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from ocibuild.errors import IntegrityError, NotFoundError
from ocibuild.oci.codec import MANIFEST_LIMIT, encode
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.documents import Manifest, parse_document
from ocibuild.oci.media_type import OCI_INDEX
from ocibuild.server.arguments import count_from, digest_from
from ocibuild.server.contents import Contents
from ocibuild.server.messages import Answer, Request, json_answer
from ocibuild.server.refusal import Code, refuse
from ocibuild.server.storage import Storage

_FRAME = 200  # more than an index has besides its descriptors


class Listings:
    """Tells what is there."""

    def __init__(self, storage: Storage, contents: Contents) -> None:
        self._storage = storage
        self._contents = contents

    def tags(self, request: Request, repository: str, argument: str) -> Answer:
        """The tags of a repository, in the order of their bytes."""
        del argument
        if not self._contents.is_known(repository):
            raise refuse(404, Code.NAME_UNKNOWN, "there is no such repository", {"name": repository})
        tags, link = _page(request, sorted(self._contents.names.tags.get(repository, ())))
        return json_answer({"name": repository, "tags": tags}, link)

    def repositories(self, request: Request, repository: str, argument: str) -> Answer:
        """The repositories, in the order of their bytes."""
        del repository, argument
        names, link = _page(request, self._contents.repositories())
        return json_answer({"repositories": names}, link)

    def referrers(self, request: Request, repository: str, argument: str) -> Answer:
        """The manifests that have a subject, of one artifact type if that is asked for; none for what is not known."""
        subject, wanted = digest_from(argument), request.parameter("artifactType")
        last = request.parameter("last") or ""
        remaining = (found for found in self._contents.referrers(repository, subject) if str(found.digest) > last)
        described = filter(None, map(self._described, remaining))
        matching = (found for found in described if not wanted or found.artifact_type == wanted)
        page, is_last = _fitting(matching)
        headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
        if not is_last:
            headers |= _link(request, last=str(page[-1].digest))
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [found.to_json() for found in page]}
        return Answer(200, {"Content-Type": OCI_INDEX, **headers}, encode(document))

    def _described(self, descriptor: Descriptor) -> Descriptor | None:
        """A referrer as lists show it: with its annotations, and with a manifest's config type as a last resort."""
        try:
            raw = self._storage.read_manifest(descriptor)
            document = parse_document(raw, descriptor.media_type, subject=f"manifest {descriptor.digest}")
        except (NotFoundError, IntegrityError):
            return None
        config_type = document.config.media_type if isinstance(document, Manifest) else None
        return replace(
            descriptor, artifact_type=document.artifact_type or config_type, annotations=document.annotations
        )


def _page(request: Request, entries: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The entries after `last`, at most `n` of them, and the Link to those that follow."""
    count = count_from(request)
    first = bisect_right(entries, request.parameter("last") or "")
    page = list(entries[first:] if count is None else entries[first : first + count])
    is_last = not page or first + len(page) == len(entries)
    return page, {} if is_last else _link(request, n=str(count), last=page[-1])


def _fitting(descriptors: Iterable[Descriptor]) -> tuple[list[Descriptor], bool]:
    """The first of them, at least one, that an index of at most 4 MiB can hold; whether these are all."""
    page: list[Descriptor] = []
    size = _FRAME
    for descriptor in descriptors:
        size += len(encode(descriptor.to_json())) + 1
        if page and size > MANIFEST_LIMIT:
            return page, False
        page.append(descriptor)
    return page, True


def _link(request: Request, **parameters: str) -> dict[str, str]:
    kept = {name: values[0] for name, values in request.query.items() if name == "artifactType"}
    return {"Link": f'<{quote(request.path)}?{urlencode({**kept, **parameters})}>; rel="next"'}
