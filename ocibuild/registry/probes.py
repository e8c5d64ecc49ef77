"""What a registry grants and supports, found out by trying, without leaving anything behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ocibuild.errors import OcibuildError
from ocibuild.oci.codec import MANIFEST_LIMIT
from ocibuild.oci.digest import Digest, sha256
from ocibuild.oci.documents import Document, Index, Manifest, parse_document
from ocibuild.oci.reference import Reference
from ocibuild.registry.client import Client
from ocibuild.registry.exchange import UnreachableError
from ocibuild.registry.explain import to_error
from ocibuild.registry.host import Host
from ocibuild.registry.refusal import RefusedError
from ocibuild.registry.session import Registries

# Nobody has this blob: what happens to a request about it tells about the registry alone.
_NOWHERE = sha256(b"ocibuild looks whether this registry knows an operation")
_TOLERATED_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that was tried. `works` is None where it could not be found out; `hint` says how to mend it."""

    name: str
    works: bool | None
    detail: str
    hint: str | None = None


def examine(registries: Registries, reference: Reference) -> tuple[Probe, ...]:
    """What the registry of a reference says to us: contact, credentials, pull, push, mount, referrers, delete, clock.

    Ends after the contact where there is none.
    """
    host = registries.host(reference.host)
    client = Client(host, reference)
    contact = _tried("contact", host, lambda: f"{host.policy.registry}, {host.authorizer.scheme or 'no'} authorization")
    if not contact.works:
        return (contact,)
    return (
        contact,
        _tried("credentials", host, lambda: host.authorizer.credential(reference).source),
        _tried("pull", host, lambda: _pull(client)),
        _tried("push", host, lambda: _push(client)),
        _mount(client, host, reference),
        _referrers(client, host),
        _delete(client, host),
        _clock(host),
    )


def _tried(name: str, host: Host, attempt: Callable[[], str]) -> Probe:
    try:
        return Probe(name, True, host.run(attempt, f"to be tried ({name})"))
    except OcibuildError as error:
        return Probe(name, False, error.what, error.hint)


def _pull(client: Client) -> str:
    try:
        tags = next(client.tag_pages(), [])
    except RefusedError as problem:
        if problem.refusal.status != 404:
            raise
        return "allowed; the repository is not there yet, or has no tags"
    return f"allowed; {len(tags)} {'tag' if len(tags) == 1 else 'tags'} on the first page"


def _push(client: Client) -> str:
    session = client.start_upload(_NOWHERE)
    with contextlib.suppress(RefusedError, UnreachableError):
        client.cancel_upload(session)
    return "allowed"


def _mount(client: Client, host: Host, reference: Reference) -> Probe:
    """A blob of the repository is mounted from the repository itself, which changes nothing."""
    try:
        blob = host.run(lambda: _some_blob(client), "to show a manifest")
        if blob is None:
            return Probe("mount", None, "not tried: the repository has no image yet")
        session = client.mount(blob, reference)
    except OcibuildError as error:
        return Probe("mount", None, f"not tried: {error.what}")
    except (RefusedError, UnreachableError) as problem:
        refusal = to_error(problem, host=host.name, subject="to mount a blob")
        return Probe("mount", False, f"{refusal.what}; blobs are uploaded instead")
    if session is None:
        return Probe("mount", True, "blobs are taken over from other repositories without an upload")
    with contextlib.suppress(RefusedError, UnreachableError):
        client.cancel_upload(session)
    return Probe("mount", False, "the registry opens an upload instead")


def _some_blob(client: Client) -> Digest | None:
    try:
        tag = next(iter(next(client.tag_pages(), [])), None)
        document = _document(client, tag) if tag else None
        if isinstance(document, Index) and document.manifests:
            document = _document(client, str(document.manifests[0].digest))
    except RefusedError as problem:
        if problem.refusal.status != 404:
            raise
        return None
    return document.config.digest if isinstance(document, Manifest) else None


def _document(client: Client, name: str) -> Document:
    raw, head = client.get_manifest(name, client.pull, MANIFEST_LIMIT)
    return parse_document(raw, head.media_type, subject=name)


def _referrers(client: Client, host: Host) -> Probe:
    try:
        index = host.run(lambda: client.referrers(_NOWHERE), "to list referrers")
    except OcibuildError as error:
        return Probe("referrers", None, error.what, error.hint)
    if index is None:
        return Probe("referrers", False, "no referrers API; tags are used in its place")
    return Probe("referrers", True, "the referrers API is there")


def _delete(client: Client, host: Host) -> Probe:
    try:
        client.delete_manifest(str(_NOWHERE))
    except RefusedError as problem:
        if problem.refusal.status == 404:
            return Probe("delete", True, "allowed")
        refusal = to_error(problem, host=host.name, subject="to delete")
        return Probe("delete", False, refusal.what, refusal.hint)
    except (UnreachableError, OcibuildError) as error:
        return Probe("delete", None, str(error))
    return Probe("delete", True, "allowed")


def _clock(host: Host) -> Probe:
    skew = host.clock_skew
    if skew is None:
        return Probe("clock", None, "the registry does not tell the time")
    if abs(skew) <= _TOLERATED_SKEW:
        return Probe("clock", True, "agrees with the registry's")
    ahead = "ahead of" if skew > timedelta(0) else "behind"
    return Probe(
        "clock",
        False,
        f"this machine is {abs(skew).total_seconds():.0f} s {ahead} the registry",
        "set the clock: tokens and certificates are judged by it",
    )
