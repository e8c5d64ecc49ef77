"""From a request to its answer: READ FIRST for the API; each endpoint is a method elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from errno import EDQUOT, ENOSPC
from http import HTTPStatus

from ocibuild.errors import IntegrityError, OcibuildError
from ocibuild.events import Emit, Noted
from ocibuild.server.blobs import Blobs
from ocibuild.server.callers import check_caller
from ocibuild.server.contents import Contents
from ocibuild.server.framing import BrokenBodyError
from ocibuild.server.listings import Listings
from ocibuild.server.manifests import Manifests
from ocibuild.server.messages import Answer, Request, json_answer, refusal_answer
from ocibuild.server.refusal import Code, Refusal, refuse
from ocibuild.server.routes import Endpoint, find_route
from ocibuild.server.storage import Storage
from ocibuild.server.uploads import Uploads

_Handler = Callable[[Request, str, str], Answer]
_READING = frozenset({"GET", "HEAD"})


class Registry:
    """The distribution API over a storage. Safe to use from several threads; every request has an answer."""

    def __init__(self, storage: Storage, *, read_only: bool, answers_all: bool, emit: Emit) -> None:
        """`answers_all` lets web pages and callers of other hosts' names in too."""
        contents = Contents(storage)
        blobs, manifests = Blobs(storage, contents), Manifests(storage, contents)
        listings, self._uploads = Listings(storage, contents), Uploads(storage, contents)
        self._answers_all = answers_all
        self._emit = emit
        self._handlers: dict[Endpoint, dict[str, _Handler]] = {
            Endpoint.BASE: {"GET": _base},
            Endpoint.CATALOG: {"GET": listings.repositories},
            Endpoint.BLOB: {"GET": blobs.get, "DELETE": blobs.delete},
            Endpoint.UPLOADS: {"POST": self._uploads.start},
            Endpoint.UPLOAD: {
                "GET": self._uploads.status,
                "PATCH": self._uploads.append,
                "PUT": self._uploads.close,
                "DELETE": self._uploads.cancel,
            },
            Endpoint.MANIFEST: {"GET": manifests.get, "PUT": manifests.put, "DELETE": manifests.delete},
            Endpoint.TAGS: {"GET": listings.tags},
            Endpoint.REFERRERS: {"GET": listings.referrers},
        }
        if read_only:
            self._handlers = {
                endpoint: {method: handler for method, handler in handlers.items() if method in _READING}
                for endpoint, handlers in self._handlers.items()
            }
        self._hint = "; this registry is read-only" if read_only else ""

    def answer(self, request: Request) -> Answer:
        """What the registry does, and says about it."""
        try:
            return self._handled(request)
        except Refusal as refusal:
            return refusal_answer(refusal)
        except BrokenBodyError as error:
            return refusal_answer(refuse(400, Code.SIZE_INVALID, f"the body of the request is not whole: {error}"))
        except OcibuildError as error:
            return self._failure(error)
        except Exception as error:  # noqa: BLE001 - one request must not end the server, and its operator must know
            self._emit(Noted(f"internal error: {type(error).__name__}: {error}", warning=True))
            return refusal_answer(refuse(500, Code.UNKNOWN, "internal error"))

    def close(self) -> None:
        """Forget what is half received; no request may be under way any more."""
        self._uploads.end()

    def _handled(self, request: Request) -> Answer:
        if not self._answers_all:
            check_caller(request.headers)
        route = find_route(request.path)
        return self._handler(route.endpoint, request.method)(request, route.repository, route.argument)

    def _handler(self, endpoint: Endpoint, method: str) -> _Handler:
        handlers = self._handlers[endpoint]
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = {"Allow": ", ".join([*handlers, *(["HEAD"] if "GET" in handlers else [])])}
            raise refuse(405, Code.UNSUPPORTED, f"{method} is not for this path{self._hint}", headers=allowed)
        return handler

    def _failure(self, error: OcibuildError) -> Answer:
        """The server's own trouble (a full disk, a damaged file), which its operator is to hear of too."""
        self._emit(Noted(f"{error.what}{f' ({error.where})' if error.where else ''}", warning=True))
        hint = " (damaged: send it again)" if isinstance(error, IntegrityError) else ""
        return refusal_answer(refuse(_status_of(error), Code.UNKNOWN, error.what + hint))


def _status_of(error: OcibuildError) -> HTTPStatus:
    """Clients try again after 500, which makes no room on a disk."""
    is_full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (ENOSPC, EDQUOT)
    return HTTPStatus.INSUFFICIENT_STORAGE if is_full else HTTPStatus.INTERNAL_SERVER_ERROR


def _base(request: Request, repository: str, argument: str) -> Answer:
    del request, repository, argument
    return json_answer({}, {"Docker-Distribution-API-Version": "registry/2.0"})
