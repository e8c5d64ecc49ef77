"""What refers to the manifests of a repository: by the registry's API, and where it has none, by lists under tags that clients
keep (distribution-spec, "Listing Referrers" and "Unavailable Referrers API")."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ocibuild.errors import IntegrityError, RegistryError
from ocibuild.oci.codec import MANIFEST_LIMIT
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest, sha256
from ocibuild.oci.media_type import OCI_INDEX
from ocibuild.oci.reference import Reference
from ocibuild.oci.referrers import (
    Referral,
    of_type,
    referrers_in,
    referrers_tag,
    with_referrer,
    without_referrers,
)
from ocibuild.registry.client import Client
from ocibuild.registry.host import Host
from ocibuild.registry.refusal import RefusedError

Change = Callable[[bytes | None], bytes | None]

# No registry we know makes a PUT conditional (docker-registry ignores If-Match), so two clients that change a list at once
# may lose one of the changes. Whoever looks again after a short while finds out, and makes its change anew.
_ATTEMPTS = 7
_SETTLE = 0.2
_CHILD_IS_GONE = frozenset({"MANIFEST_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})


class Referrers:
    """The referrers of one repository's manifests. Safe to use from many threads, and beside other clients."""

    def __init__(self, host: Host, client: Client, repository: Reference) -> None:
        self._host = host
        self._client = client
        self._repository = repository
        self._lock = threading.Lock()  # our own changes need not race each other

    def of(self, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """What refers to a manifest, each once; of one artifact type if that is given."""
        found = self._by_api(subject, artifact_type)
        if found is None:
            listed = self._listed(subject)
            found = [] if listed is None else list(referrers_in(listed, subject=self._tag(subject)))
        return of_type(found, artifact_type)

    def enter(self, referral: Referral, *, acknowledged: Digest | None, was_there: bool) -> None:
        """See to it that a manifest which the registry holds is listed.

        `acknowledged` is whom the registry said it lists it under; where it said nothing, the client has to (a MUST). For a
        manifest that `was_there` already, nobody asked.
        """
        if acknowledged == referral.subject or (was_there and self._by_api(referral.subject, None) is not None):
            return
        self._change(referral.subject, lambda listed: with_referrer(listed, referral.referrer))

    def strike(self, referral: Referral) -> None:
        """See to it that a manifest which was deleted is listed no more."""
        if self._by_api(referral.subject, None) is None:
            gone = {referral.referrer.digest}
            self._change(referral.subject, lambda listed: listed and without_referrers(listed, gone))

    def _by_api(self, subject: Digest, artifact_type: str | None) -> list[Descriptor] | None:
        where = f"the list of what refers to {self._repository.name}@{subject}"
        pages = self._host.run(lambda: self._client.referrers(subject, artifact_type), f"to give {where}")
        if pages is None:
            return None
        first, *others = pages
        try:
            found = [*referrers_in(first, subject=where)]
        except IntegrityError:  # a start page, or a proxy's idea of an answer: no such API
            return None
        return found + [each for page in others for each in referrers_in(page, subject=where)]

    def _change(self, subject: Digest, change: Change) -> None:
        with self._lock:
            for failures in range(_ATTEMPTS):
                listed = self._listed(subject)
                wanted = change(listed)
                if wanted is None or wanted == listed:
                    return
                self._put(subject, wanted)
                self._host.retrier.sleep(_SETTLE * 2**failures)
        raise RegistryError(
            f"{self._tag(subject)}, which lists what refers to {subject}, does not keep our change to it",
            hint="somebody else changes it all the time; run the command again, nothing is sent twice",
        )

    def _listed(self, subject: Digest) -> bytes | None:
        """The list that clients keep; None if there is none yet. RegistryError if its tag is used for something else."""
        tag = self._tag(subject)
        answer = self._host.run(lambda: self._read(referrers_tag(subject)), f"to give {tag}")
        if answer is None:
            return None
        raw, media_type = answer
        try:
            referrers_in(raw, subject=tag)
        except IntegrityError as error:
            raise RegistryError(
                f"{tag} should list what refers to {subject}, but is something else ({media_type or 'of no type'})",
                hint="find out who uses this tag, and delete it or give it another name",
            ) from error
        return raw

    def _read(self, tag: str) -> tuple[bytes, str | None] | None:
        try:
            raw, head = self._client.get_manifest(tag, self._client.pull, MANIFEST_LIMIT)
        except RefusedError as problem:
            if problem.refusal.status == 404:
                return None
            raise
        if head.digest is not None and head.digest.algorithm == "sha256" and head.digest != sha256(raw):
            raise IntegrityError(
                f"{self._repository.name}:{tag} is not what the registry says it is", where=str(head.digest)
            )
        return raw, head.media_type

    def _put(self, subject: Digest, raw: bytes) -> None:
        try:
            self._store(subject, raw)
        except RegistryError as error:
            # What somebody deleted without striking it off keeps a registry that looks from taking the list at all.
            held = without_referrers(raw, self._missing(raw, subject)) if _CHILD_IS_GONE & set(error.codes) else raw
            if held == raw:
                raise
            self._store(subject, held)

    def _store(self, subject: Digest, raw: bytes) -> None:
        tag = referrers_tag(subject)
        self._host.run(lambda: self._client.put_manifest(tag, OCI_INDEX, raw), f"to set {self._tag(subject)}")

    def _missing(self, raw: bytes, subject: Digest) -> set[Digest]:
        return {each.digest for each in referrers_in(raw, subject=self._tag(subject)) if not self._holds(each.digest)}

    def _holds(self, digest: Digest) -> bool:
        key, subject = str(digest), f"to show {self._repository.name}@{digest}"
        return self._host.run(lambda: self._client.head_manifest(key, self._client.pull), subject) is not None

    def _tag(self, subject: Digest) -> str:
        return f"{self._repository.name}:{referrers_tag(subject)}"
