"""One blob from one repository, carried on by Range where it breaks off. Whether the bytes are right is checked outside,
and whoever takes them counts them."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from ocibuild.errors import IntegrityError, NetworkError
from ocibuild.oci.descriptor import Descriptor
from ocibuild.registry.calls import Answer
from ocibuild.registry.client import Client
from ocibuild.registry.exchange import Trouble, UnreachableError
from ocibuild.registry.host import Host
from ocibuild.registry.refusal import RefusedError

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)
# A connection that brought this much before it broke was a good one: the number of such breaks is bounded by the size.
_PROGRESS = 1024 * 1024
_RANGE_REFUSED = 416


class Download:
    """The way of one blob, over all its attempts."""

    def __init__(self, host: Host, client: Client, descriptor: Descriptor) -> None:
        self._host = host
        self._client = client
        self._descriptor = descriptor
        self._offset = 0
        self._ranges_work = True

    def chunks(self) -> Generator[bytes]:
        """The blob's bytes, each once and in order, as many as the registry sends."""
        explain = self._host.explain(f"to give the blob {self._descriptor.digest}")
        failures, offset_of_failure = 0, 0
        while True:
            try:
                yield from self._attempt()
                return
            except (RefusedError, UnreachableError) as problem:
                if self._offset - offset_of_failure >= _PROGRESS:
                    failures = 0
                failures, offset_of_failure = failures + 1, self._offset
                self._host.retrier.wait_after(problem, failures, explain)

    def _attempt(self) -> Iterator[bytes]:
        skip = self._offset
        with self._request() as answer:
            if self._is_continued(answer):
                skip = 0
            for chunk in answer.chunks():
                if self._host.settings.stop.is_set():
                    raise NetworkError(f"stopped while {self._descriptor.digest} was being read")
                fresh = chunk[skip:]
                skip -= len(chunk) - len(fresh)
                if fresh:
                    self._offset += len(fresh)
                    yield fresh
            if self._offset < self._descriptor.size and answer.header("Content-Length") is None:
                # Nothing told how long the body would be, so its end may have been an accident.
                raise UnreachableError(Trouble.BROKEN, "the body ended early", answer.request, sent=True)

    def _request(self) -> Answer:
        """The reply to go on with: for what is missing if the registry knows ranges, else for all of it."""
        size = self._descriptor.size
        if 0 < self._offset < size and self._ranges_work:
            try:
                answer = self._client.get_blob(self._descriptor.digest, (self._offset, size - 1))
            except RefusedError as problem:
                if problem.refusal.status != _RANGE_REFUSED:
                    raise
            else:
                if answer.status != 206 or self._is_continued(answer):
                    return answer
                answer.close()
            self._ranges_work = False
        answer = self._client.get_blob(self._descriptor.digest)
        length = answer.header("Content-Length")
        if length is not None and length != str(size):
            answer.close()
            raise IntegrityError(
                f"the blob has {length} bytes where its descriptor promises {size}", where=str(self._descriptor.digest)
            )
        return answer

    def _is_continued(self, answer: Answer) -> bool:
        """Whether the reply goes on exactly where the last one broke off."""
        if answer.status != 206:
            return False
        match = _CONTENT_RANGE.fullmatch(answer.header("Content-Range") or "")
        size = self._descriptor.size
        return (
            match is not None
            and int(match[1]) == self._offset
            and int(match[2]) == size - 1
            and match[3] in ("*", str(size))
        )
