"""A scripted registry over real sockets, for tests of everything that talks to registries.

`FakeRegistry` keeps the distribution spec until `on` (a fault for the next requests), `quirk` (a lasting habit), a field
of `settings`, or a profile makes it do otherwise; every request is recorded. Standard library only; imports no product code.

    with FakeRegistry() as registry:
        registry.on("PUT", SESSIONS).reset_after(30 * MIB)
        ...
        assert registry.count("PUT", SESSIONS) == 2
"""

from .auth import BasicAuth, BearerAuth
from .contents import Contents, digest_of
from .edits import absolute, last_segment, same_target_on
from .images import Image, SampleIndex, image_of, index_of, layer_of
from .journal import Record
from .messages import Ending, Reply, Request, error
from .recorder import Recorder, TokenServer
from .registry import FakeRegistry
from .routes import BASE, BLOBS, MANIFESTS, REFERRERS, SESSIONS, TAGS, TOKEN, UPLOADS
from .rules import ALWAYS, Rule, has_header, has_query
from .scopes import Scope
from .settings import MIB, Settings
from .tokens import TokenRequest, TokenService

__all__ = [
    "ALWAYS",
    "BASE",
    "BLOBS",
    "MANIFESTS",
    "MIB",
    "REFERRERS",
    "SESSIONS",
    "TAGS",
    "TOKEN",
    "UPLOADS",
    "BasicAuth",
    "BearerAuth",
    "Contents",
    "Ending",
    "FakeRegistry",
    "Image",
    "Record",
    "Recorder",
    "Reply",
    "Request",
    "Rule",
    "SampleIndex",
    "Scope",
    "Settings",
    "TokenRequest",
    "TokenServer",
    "TokenService",
    "absolute",
    "digest_of",
    "error",
    "has_header",
    "has_query",
    "image_of",
    "index_of",
    "last_segment",
    "layer_of",
    "same_target_on",
]
