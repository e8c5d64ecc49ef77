"""What a registry holds, in memory: blobs, manifests and tags by repository, and open upload sessions."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from dataclasses import dataclass, field

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The bytes as they were pushed, and the Content-Type they came with."""

    media_type: str
    data: bytes


@dataclass(slots=True)
class Repository:
    """One name; tags keep their order of creation."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, reference: str) -> tuple[str, Manifest] | None:
        """Digest and manifest for a tag or digest."""
        digest = self.tags.get(reference, reference)
        manifest = self.manifests.get(digest)
        return (digest, manifest) if manifest else None


@dataclass(slots=True)
class Session:
    """An upload under way; `state` is the value that the newest Location carries."""

    id: str
    repository: str
    data: bytearray = field(default_factory=bytearray)
    state: str = ""
    last_chunk: int | None = None

    def renew(self) -> None:
        self.state = uuid.uuid4().hex


class Contents:
    """Shared state; several servers may serve the same. Hold `lock` around every use."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.repositories: dict[str, Repository] = {}
        self.sessions: dict[str, Session] = {}

    def repository(self, name: str) -> Repository:
        """The repository, made when it is missing."""
        return self.repositories.setdefault(name, Repository())

    def existing(self, name: str) -> Repository:
        """The repository, or an empty one that is not kept."""
        return self.repositories.get(name) or Repository()

    def open_session(self, repository: str) -> Session:
        session = Session(str(uuid.uuid4()), repository)
        session.renew()
        self.sessions[session.id] = session
        return session

    def holder_of(self, digest: str) -> str | None:
        """A repository that has the blob."""
        return next((name for name, repository in self.repositories.items() if digest in repository.blobs), None)
