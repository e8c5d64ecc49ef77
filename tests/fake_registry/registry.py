"""The fake registry: the distribution spec over in-memory contents, with authorization, on a scripted server."""

from __future__ import annotations

import ssl

from . import blobs
from .auth import Auth, BearerAuth
from .contents import Contents, Manifest, digest_of
from .images import Image, SampleIndex
from .listings import Listings
from .manifests import Manifests
from .messages import Reply, Request, document, entry, error, text
from .routes import TOKEN, Kind, Route
from .server import HttpServer
from .settings import Settings
from .uploads import Uploads


class FakeRegistry(HttpServer):
    """A real registry until a rule, a quirk or a setting makes it otherwise.

    Give two registries the same `contents` and an upload may move from one origin to the other. With `BearerAuth`, its
    token service also answers on `/token` here.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        auth: Auth | None = None,
        settings: Settings | None = None,
        contents: Contents | None = None,
    ) -> None:
        super().__init__(host=host, port=port, tls=tls)
        self.auth = auth
        self.settings = settings or Settings()
        self.contents = contents or Contents()

    # What the contents are, for tests

    def add_blob(self, repository: str, data: bytes, digest: str | None = None) -> str:
        """Store a blob; with `digest`, under a name that need not be true."""
        name = digest or digest_of(data)
        with self.contents.lock:
            self.contents.repository(repository).blobs[name] = data
        return name

    def add_manifest(self, repository: str, data: bytes, media_type: str, *tags: str, digest: str | None = None) -> str:
        """Store a manifest unchecked; with `digest`, under a name that need not be true."""
        name = digest or digest_of(data)
        with self.contents.lock:
            here = self.contents.repository(repository)
            here.manifests[name] = Manifest(media_type, data)
            here.tags.update(dict.fromkeys(tags, name))
        return name

    def add_image(self, repository: str, image: Image | SampleIndex, *tags: str) -> str:
        """Store an image, or an index with its children, whole; gives the digest."""
        for child in image.children:
            self.add_image(repository, child)
        for data in image.blobs:
            self.add_blob(repository, data)
        return self.add_manifest(repository, image.manifest, image.media_type, *tags)

    def blob(self, repository: str, digest: str) -> bytes | None:
        with self.contents.lock:
            return self.contents.existing(repository).blobs.get(digest)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        with self.contents.lock:
            found = self.contents.existing(repository).find(reference)
            return found[1] if found else None

    def tags(self, repository: str) -> dict[str, str]:
        """Tag -> digest, in order of creation."""
        with self.contents.lock:
            return dict(self.contents.existing(repository).tags)

    @property
    def open_sessions(self) -> int:
        """Uploads that were started, and neither finished nor cancelled."""
        with self.contents.lock:
            return len(self.contents.sessions)

    # The application

    def admit(self, request: Request) -> Reply | None:
        route = Route.of(request.path)
        if self.auth is None or route is None:
            return None
        return self.auth.refusal(request, route.needs(request), self.url)

    def answer(self, request: Request) -> Reply:
        if isinstance(self.auth, BearerAuth) and request.path == TOKEN:
            return self.auth.tokens.answer(request)
        route = Route.of(request.path)
        if route is None:
            return text(404, "404 page not found\n")
        with self.contents.lock:
            reply = self._answer(route, request)
        return reply.with_header("Docker-Distribution-Api-Version", "registry/2.0")

    def _answer(self, route: Route, request: Request) -> Reply:
        uploads = Uploads(self.contents, self.settings, self.url)
        manifests = Manifests(self.contents, self.settings)
        listings = Listings(self.contents, self.settings, self.url)
        match (route.kind, request.method):
            case (Kind.BASE, "GET" | "HEAD"):
                return document(200, {})
            case (Kind.UPLOADS, "POST"):
                return uploads.start(route, request)
            case (Kind.SESSION, "PATCH"):
                return uploads.append(route, request)
            case (Kind.SESSION, "PUT"):
                return uploads.commit(route, request)
            case (Kind.SESSION, "GET"):
                return uploads.status(route, request)
            case (Kind.SESSION, "DELETE"):
                return uploads.cancel(route, request)
            case (Kind.BLOB, "GET" | "HEAD"):
                return blobs.read(self.contents, self.settings, route, request)
            case (Kind.BLOB, "DELETE"):
                return blobs.delete(self.contents, self.settings, route)
            case (Kind.MANIFEST, "GET" | "HEAD"):
                return manifests.read(route, request)
            case (Kind.MANIFEST, "PUT"):
                return manifests.write(route, request)
            case (Kind.MANIFEST, "DELETE"):
                return manifests.delete(route)
            case (Kind.TAGS, "GET"):
                return listings.tags(route, request)
            case (Kind.CATALOG, "GET"):
                return listings.catalog(request)
            case (Kind.REFERRERS, "GET"):
                return listings.referrers(route, request)
        return error(405, entry("UNSUPPORTED", f"{request.method} is not supported here"))
