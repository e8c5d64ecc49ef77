"""Ready-made habits of the registries in the field; each installs itself on a registry and gives it back."""

from __future__ import annotations

from collections.abc import Collection

from .auth import BasicAuth, BearerAuth
from .messages import Delivery, Ending, Reply, Request, entry, error
from .registry import FakeRegistry
from .routes import BLOBS, MANIFESTS, SESSIONS, UPLOADS, Route
from .rules import has_header, has_query
from .settings import MIB
from .tokens import TokenService

GHCR_THROTTLED = error(429, entry("TOOMANYREQUESTS", "retry-after: 880.092µs, allowed: 44000/minute"))
"""For `Rule.reply`: GHCR tells how long to wait in the message only, without Retry-After."""

GHCR_SECONDARY_LIMIT = error(
    403, entry("DENIED", "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
)
"""For `Rule.reply`: a refusal that is throttling in truth."""

GHCR_NOT_LINKED = error(403, entry("DENIED", "permission_denied: write_package"))
"""For `Rule.reply`: the package does not belong to the workflow's repository."""


def ghcr(registry: FakeRegistry, user: str = "octocat", password: str = "pat") -> FakeRegistry:
    """Placeholder scope, 4 MiB chunks, no referrers, no delete, 100 tags a page in order of creation."""
    tokens = TokenService(users={user: password}, deny_partial_grants=True, post_status=404)
    registry.auth = BearerAuth(tokens, service="ghcr.io", scope="repository:user/image:pull")
    settings = registry.settings
    settings.max_chunk = 4 * MIB
    settings.referrers = settings.deletes = settings.sorted_tags = False
    settings.default_page = 100
    return registry


def ecr(
    registry: FakeRegistry, repositories: Collection[str] = (), user: str = "AWS", password: str = "token"
) -> FakeRegistry:
    """Basic, PATCH 201 with a Range that sticks, no digest header, n <= 1000, and only these repositories exist."""
    registry.auth = BasicAuth(user, password)
    registry.settings.digest_header = "none"
    registry.settings.max_page = 1000
    registry.settings.referrers = True
    registry.quirk("PATCH", SESSIONS).status(201).stale_range()
    registry.quirk("GET", SESSIONS).stale_range()
    registry.quirk("POST", UPLOADS, where=lambda request: _repository(request) not in repositories).hang_up()
    return registry


def dockerhub(registry: FakeRegistry, user: str = "moby", password: str = "dckr_pat") -> FakeRegistry:
    """Tokens that live 300 s, a mount that needs the source's scope, no delete."""
    tokens = TokenService(users={user: password}, lifetime=300, expires_in=300, key="both")
    registry.auth = BearerAuth(tokens, service="registry.docker.io")
    registry.settings.deletes = False
    registry.settings.referrers = False
    return registry


def harbor(registry: FakeRegistry) -> FakeRegistry:
    """Sets a session cookie and takes a request that brings it back for forgery; mount from nowhere is 401."""
    registry.quirk("*", "*", before_auth=True).cookie("sid=fake-session; Path=/; HttpOnly")
    forged = has_header("Cookie")
    registry.quirk("POST|PUT|PATCH|DELETE", "*", where=forged, before_auth=True).reply(
        error(403, entry("FORBIDDEN", "CSRF token not found in request"))
    )

    def source_is_missing(request: Request) -> bool:
        source = request.value("from")
        return source is not None and source not in registry.contents.repositories

    registry.quirk("POST", UPLOADS, where=source_is_missing).reply(error(401, "UNAUTHORIZED"))
    return registry


def gar(registry: FakeRegistry) -> FakeRegistry:
    """No chunked uploads of any kind: one PUT or one POST must carry the blob."""
    registry.quirk("PATCH", SESSIONS).reply(error(405, entry("UNSUPPORTED", "chunked uploads are not supported")))
    return registry


def gitlab(registry: FakeRegistry, user: str = "gitlab-ci-token", password: str = "job") -> FakeRegistry:
    """A token is good for the first scope asked for, and for five minutes."""
    tokens = TokenService(users={user: password}, first_scope_only=True, lifetime=300, expires_in=300)
    registry.auth = BearerAuth(tokens, service="container_registry")
    return registry


def quay(registry: FakeRegistry) -> FakeRegistry:
    """Mount needs `from`, and unknown config types are refused."""

    def known_config(request: Request, reply: Reply) -> Reply:
        allowed = (b"image.config.v1+json", b"container.image.v1+json", b'"manifests"')
        known = any(name in request.body for name in allowed)
        return reply if known else error(415, entry("MANIFEST_INVALID", "manifest schema version not supported"))

    registry.quirk("POST", UPLOADS, where=lambda r: has_query("mount")(r) and not has_query("from")(r)).reply(
        error(405, "UNSUPPORTED")
    )
    registry.quirk("PUT", MANIFESTS).edit(known_config)
    return registry


def registry2(registry: FakeRegistry) -> FakeRegistry:
    """docker-registry 2.8.2 as measured: lenient about ranges and order, strict about Accept, no discovery API."""
    settings = registry.settings
    settings.location = "absolute"
    settings.check_content_range = settings.one_shot = settings.foreign_urls = False
    settings.too_large = (400, "MANIFEST_INVALID")
    settings.digest_header = "sha256"
    settings.sha256_manifests_only = True
    settings.referrers = settings.tag_deletes = settings.paging = settings.sorted_tags = False
    registry.quirk("GET", BLOBS, where=has_header("Range")).edit(_garbled_416)
    return registry


def _garbled_416(request: Request, reply: Reply) -> Reply:
    """The blob's Content-Length over a body of 33 bytes, and the end of the connection where the rest should be."""
    if reply.status != 416:
        return reply
    size = (reply.headers.get("Content-Range") or "").rpartition("/")[2]
    headers = reply.headers.set("Content-Length", size)
    return Reply(416, headers, b"the range can not be satisfied..\n", Delivery(ending=Ending.QUIET_CLOSE))


def _repository(request: Request) -> str:
    route = Route.of(request.path)
    return route.repository if route else ""
