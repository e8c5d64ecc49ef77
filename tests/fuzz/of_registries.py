"""Targets for what registries send: documents, headers, addresses, refusals; and what clients send to ours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime

from ocibuild.errors import IntegrityError, RegistryError
from ocibuild.oci.codec import decode_object, encode
from ocibuild.oci.documents import parse_config, parse_document
from ocibuild.registry.challenge import choose, parse_challenges
from ocibuild.registry.link import next_link
from ocibuild.registry.origin import OriginPolicy, Purpose, origin_of
from ocibuild.registry.redact import printable, redact_url
from ocibuild.registry.refusal import refused
from ocibuild.registry.retry import GiveUp, RetryPolicy, decide
from ocibuild.server.heads import HeadError, read_head
from ocibuild.server.ranges import UnsatisfiableError, chunk_range, requested_range
from ocibuild.store.index_document import entries_of
from tests.fuzz.promises import refused_with

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_REGISTRY = "https://registry.test"
_PUBLIC, _PRIVATE = "93.184.216.34", "10.0.0.1"


class Answer:
    """A `Reply` whose every header is one text, and whose body is another."""

    status = 429

    def __init__(self, header: str, body: bytes) -> None:
        self._header, self._body = header, body

    def header(self, name: str) -> str | None:
        return self._header

    def header_values(self, name: str) -> list[str]:
        return [self._header]

    def chunks(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        pass


def document(raw: bytes) -> None:
    for media_type in (None, "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"):
        with refused_with(IntegrityError):
            parsed = parse_document(raw, media_type, subject="a")
            assert parsed.raw == raw
            for child in parsed.children:
                assert child.size >= 0
    with refused_with(IntegrityError):
        parse_config(raw, subject="a")
    with refused_with(IntegrityError):
        read = decode_object(raw, subject="a")
        assert decode_object(encode(read), subject="a") == read


def layout_index(raw: bytes) -> None:
    with refused_with(IntegrityError):
        for entry in entries_of(decode_object(raw, subject="a"), subject="a"):
            assert str(entry)


def challenge(raw: bytes) -> None:
    found = parse_challenges([raw.decode("latin-1")])
    chosen = choose(found)
    assert chosen is None or chosen.scheme in ("bearer", "basic")


def link(raw: bytes) -> None:
    text = raw.decode("latin-1")
    target = next_link([text])
    assert target in text


def address(raw: bytes) -> None:
    """Whatever a registry names, what is followed is an address of the web, behind TLS, and not in a network of ours."""
    text = raw.decode("latin-1")
    policy = OriginPolicy(origin_of(_REGISTRY), lambda host: (_PRIVATE if host.startswith("private") else _PUBLIC,))
    for purpose in Purpose:
        with refused_with(RegistryError):
            url = policy.follow(f"{_REGISTRY}/v2/a/", text, purpose)
            origin = origin_of(url)
            assert origin.scheme == "https"
            assert not origin.host.startswith("private")
            assert policy.may_have_credentials(url) is (origin == origin_of(_REGISTRY))
            assert redact_url(url).isprintable()


def refusal(raw: bytes) -> None:
    """A refusal with a header and a body: the first line and the rest."""
    header, _, body = raw.partition(b"\n")
    assert printable(raw.decode("utf-8", "replace")).isprintable()
    problem = refused("GET", f"{_REGISTRY}/v2/", Answer(header.decode("latin-1"), body))
    found = problem.refusal
    for text in (found.text, found.grant_error or "", *found.codes):
        assert text.isprintable()
        assert len(text) < 2000
    verdict = decide(problem, 1, RetryPolicy(), draw=0.5, now=_NOW)
    assert isinstance(verdict, GiveUp) or 0 <= verdict <= RetryPolicy().patience + RetryPolicy().ceiling


def request_head(raw: bytes) -> None:
    with refused_with(HeadError):
        head = read_head(io.BytesIO(raw))
        assert head.path is not None
        assert isinstance(dict(head.query), dict)
        assert head.is_last in (True, False)
        for value in head.headers.values():
            with refused_with(UnsatisfiableError):
                requested_range(value, 100)
            chunk_range(value)
