"""The calls of distribution-spec for one repository, one method each. Whatever is no success is raised as RefusedError."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ocibuild.errors import IntegrityError, RegistryError, UsageError
from ocibuild.oci.codec import MANIFEST_LIMIT
from ocibuild.oci.digest import Digest, parse_digest, sha256
from ocibuild.oci.media_type import ACCEPTED
from ocibuild.oci.reference import Reference
from ocibuild.registry.auth import Access, access_to
from ocibuild.registry.calls import Answer, Call
from ocibuild.registry.exchange import Body, body_of, read_at_most
from ocibuild.registry.host import Host
from ocibuild.registry.limiter import Lane
from ocibuild.registry.link import next_link
from ocibuild.registry.origin import Purpose, origin_of
from ocibuild.registry.redact import redact_url
from ocibuild.registry.refusal import RefusedError, refused

_ACCEPT = {"Accept": ", ".join(ACCEPTED)}
_OCTETS = "application/octet-stream"
_RECEIVED = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)
_PAGE = 1000  # ECR refuses more (ggcr#1091)
_MOST_PAGES = 10_000
_PAGE_LIMIT = 8 * 1024 * 1024
_REFERRERS_LIMIT = 64 * 1024 * 1024
# distribution-spec says 404; others say so in other ways. Not 403: who may not look must not read that there is nothing.
_NO_SUCH_API = frozenset({400, 401, 404, 405, 406, 501})


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """What the header of a reply claims about a manifest; each may be missing. `subject` is whose referrers list it now."""

    digest: Digest | None
    media_type: str | None
    size: int | None
    subject: Digest | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """An upload under way: where its next request goes, and the least size of a chunk."""

    location: str
    min_chunk: int = 0


class Client:
    """A repository's API. Every method is one request and its reply; the caller decides what to do about a RefusedError."""

    def __init__(self, host: Host, reference: Reference) -> None:
        self._host = host
        self._base = f"/v2/{reference.repository}"
        self._reference = reference
        self.pull = access_to(reference, "pull")
        self.push = access_to(reference, "pull,push")
        self.remove = access_to(reference, "pull,delete")

    # Manifests

    def head_manifest(self, name: str, access: Access) -> ManifestHead | None:
        """What is under a tag or digest; None if nothing."""
        try:
            with self._call("HEAD", f"manifests/{name}", access, headers=_ACCEPT) as answer:
                return _manifest_head(answer)
        except RefusedError as problem:
            if problem.refusal.status == 404:
                return None
            if problem.refusal.status == 405:  # registries that know no HEAD (containerd)
                return self._head_by_get(name, access)
            if problem.refusal.status == 403:  # a HEAD has no body: the reason comes with a GET (containerd)
                self._call("GET", f"manifests/{name}", access, headers=_ACCEPT).close()
            raise

    def _head_by_get(self, name: str, access: Access) -> ManifestHead | None:
        try:
            raw, head = self.get_manifest(name, access, MANIFEST_LIMIT)
        except RefusedError as problem:
            if problem.refusal.status == 404:
                return None
            raise
        return replace(head, digest=head.digest or sha256(raw), size=len(raw))

    def get_manifest(self, name: str, access: Access, limit: int) -> tuple[bytes, ManifestHead]:
        """The bytes under a tag or digest (at most `limit` and one), and what the header says about them."""
        with self._call("GET", f"manifests/{name}", access, headers=_ACCEPT) as answer:
            return read_at_most(answer, limit + 1), _manifest_head(answer)

    def put_manifest(self, name: str, media_type: str, raw: bytes) -> ManifestHead:
        """Store a manifest under a tag or digest."""
        headers = {"Content-Type": media_type}
        with self._call(
            "PUT",
            f"manifests/{name}",
            self.push,
            201, 200, 202,
            headers=headers,
            body=body_of(raw),
            wait=self._host.settings.timeouts.commit,
        ) as answer:  # fmt: skip
            head = _manifest_head(answer)
            _check_digest(head.digest, sha256(raw), answer.url)
            return head

    def delete_manifest(self, name: str) -> None:
        """Remove a tag, or a manifest with all its tags."""
        self._call("DELETE", f"manifests/{name}", self.remove, 202, 200, 204).close()

    def tag_pages(self) -> Iterator[list[str]]:
        """The tags, a page at a time, in the registry's order. RegistryError for pages that go in circles."""
        for page, url in self._pages(f"tags/list?n={_PAGE}", f"the list of tags of {self._reference.name}"):
            tags = _document(page, url).get("tags") or []
            yield [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> list[bytes] | None:
        """The indexes, one a page, of what refers to a manifest (the registry may leave out other artifact types, and may
        not), as its API gives them; None where there is no such API."""
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        pages: list[bytes] = []
        subject = f"the list of what refers to {self._reference.name}@{digest}"
        try:
            for page, _ in self._pages(f"referrers/{digest}{query}", subject, headers=_ACCEPT):
                pages.append(page)
                if sum(map(len, pages)) > _REFERRERS_LIMIT:
                    raise RegistryError(f"{subject} has no end")
        except RefusedError as problem:
            if not pages and problem.refusal.status in _NO_SUCH_API:
                return None
            raise
        return pages

    def _pages(self, path: str, subject: str, **facts: Any) -> Iterator[tuple[bytes, str]]:
        """Each page of a list, and its address."""
        target, seen = f"{self._base}/{path}", set[str]()
        while target:
            if target in seen or len(seen) >= _MOST_PAGES:
                raise RegistryError(f"{subject} has no end")
            seen.add(target)
            with self._send("GET", target, self.pull, 200, purpose=Purpose.LINK, **facts) as answer:
                page, url, target = read_at_most(answer, _PAGE_LIMIT), answer.url, self._next_page(answer)
            yield page, url

    # Blobs

    def has_blob(self, digest: Digest, access: Access) -> bool:
        """Whether the repository holds a blob."""
        try:
            self._call("HEAD", f"blobs/{digest}", access).close()
        except RefusedError as problem:
            if problem.refusal.status == 404:
                return False
            raise
        return True

    def get_blob(self, digest: Digest, span: tuple[int, int] | None = None) -> Answer:
        """The reply with a blob, or with its bytes from the first to the last of `span`; to be closed. A server may ignore
        the span (status 200)."""
        headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
        return self._call("GET", f"blobs/{digest}", self.pull, 200, 206, headers=headers, lane=Lane.READ)

    def start_upload(self, digest: Digest) -> Session:
        """A new session."""
        query = "" if digest.algorithm == "sha256" else f"?digest-algorithm={digest.algorithm}"
        with self._call("POST", f"blobs/uploads/{query}", self.push, 202, 200, 201, 204) as answer:
            return self._session(answer)

    def mount(self, digest: Digest, source: Reference) -> Session | None:
        """Take over a blob from another repository of this host: None when that is done, else the session that the
        registry opened instead."""
        access = access_to(self._reference, "pull,push", mount_from=source)
        query = f"mount={quote(str(digest), safe='')}&from={quote(source.repository, safe='')}"
        with self._call("POST", f"blobs/uploads/?{query}", access, 201, 202) as answer:
            return None if answer.status == 201 else self._session(answer)

    def patch_upload(
        self, session: Session, body: Body, *, start: int | None = None, own_connection: bool = False
    ) -> Session:
        """Send a part: all in a stream, or (with `start`) the chunk that begins at that byte."""
        headers = {"Content-Type": _OCTETS}
        if own_connection:
            headers["Connection"] = "close"
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + body.length - 1}"
        with self._send(
            "PATCH", session.location, self.push, 202, 201, 204, 200, headers=headers, body=body, lane=Lane.WRITE
        ) as answer:
            return self._session(answer, session)

    def upload_status(self, session: Session) -> tuple[Session, int] | None:
        """Where a session goes on, and how many bytes have arrived; None where the registry does not tell."""
        try:
            with self._send("GET", session.location, self.push, 204, 200, 202) as answer:
                match = _RECEIVED.fullmatch(answer.header("Range") or "")
                # `0-0` says one byte, and is what all registries say for none.
                return (self._session(answer, session), int(match[1]) + 1) if match and match[1] != "0" else None
        except RefusedError:
            return None

    def finish_upload(self, session: Session, digest: Digest, body: Body | None) -> None:
        """Close a session under the blob's digest, with the whole blob or with nothing more to send."""
        joint = "&" if "?" in session.location else "?"
        with self._send(
            "PUT",
            f"{session.location}{joint}digest={quote(str(digest), safe='')}",
            self.push,
            201, 204, 200, 202,
            headers={"Content-Type": _OCTETS},
            body=body,
            lane=Lane.SMALL if body is None else Lane.WRITE,
            wait=self._host.settings.timeouts.commit,
        ) as answer:  # fmt: skip
            _check_digest(_digest(answer.header("Docker-Content-Digest")), digest, answer.url)

    def cancel_upload(self, session: Session) -> None:
        """Give up a session."""
        self._send("DELETE", session.location, self.push, 204, 200, 202, wait=2.0).close()

    # The way of a call

    def _call(self, method: str, path: str, access: Access, *accepted: int, **facts: Any) -> Answer:
        return self._send(method, f"{self._base}/{path}", access, *accepted, **facts)

    def _send(self, method: str, target: str, access: Access, *accepted: int, **facts: Any) -> Answer:
        answer = self._host.send(Call(method, target, access, **facts))
        if answer.status in (accepted or (200,)):
            return answer
        is_registry = self._host.policy.may_have_credentials(answer.url)
        raise refused(
            method,
            answer.url,
            answer,
            anonymous=self._host.authorizer.is_anonymous(self._reference),
            storage=None if is_registry else str(origin_of(answer.url)),
        )

    def _session(self, answer: Answer, before: Session | None = None) -> Session:
        location = answer.header("Location")
        if location is None:
            if before is not None:
                return before
            raise refused(answer.request.method, answer.url, answer)
        url = self._host.policy.follow(answer.url, location, Purpose.LOCATION)
        return Session(url, _number(answer.header("OCI-Chunk-Min-Length")) or (before.min_chunk if before else 0))

    def _next_page(self, answer: Answer) -> str:
        target = next_link(answer.header_values("Link"))
        return self._host.policy.follow(answer.url, target, Purpose.LINK) if target else ""


def _manifest_head(answer: Answer) -> ManifestHead:
    return ManifestHead(
        digest=_digest(answer.header("Docker-Content-Digest")),
        media_type=(answer.header("Content-Type") or "").partition(";")[0].strip() or None,
        size=_number(answer.header("Content-Length")),
        subject=_digest(answer.header("OCI-Subject")),
    )


def _digest(text: str | None) -> Digest | None:
    try:
        return parse_digest(text) if text else None
    except UsageError:
        return None


def _check_digest(said: Digest | None, expected: Digest, url: str) -> None:
    # docker-registry names what it stored under sha512 by its sha256: only equal algorithms can contradict.
    if said is not None and said.algorithm == expected.algorithm and said != expected:
        raise IntegrityError(f"the registry stored {said} where {expected} was sent", where=redact_url(url))


def _number(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 18 and text.isascii() and text.isdigit() else None


def _document(page: bytes, url: str) -> dict[str, Any]:
    try:
        document = json.loads(page)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryError("the list of tags is not a JSON object", where=f"GET {redact_url(url)}")
    return document
