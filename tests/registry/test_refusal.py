"""What a registry says becomes one line of what, one of where, one of how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import AuthError, NetworkError, NotFoundError, OcibuildError, RegistryError
from ocibuild.registry.exchange import Request, Trouble, UnreachableError
from ocibuild.registry.explain import to_error
from ocibuild.registry.refusal import Refusal, RefusedError, refused
from ocibuild.registry.retry import asked_delay


@dataclass
class StoredReply:
    """A reply without a network."""

    status: int
    body: bytes = b""
    fields: Sequence[tuple[str, str]] = ()
    is_closed: bool = False

    def header(self, name: str) -> str | None:
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def chunks(self) -> Iterator[bytes]:
        yield from (self.body[start : start + 1000] for start in range(0, len(self.body), 1000))

    def close(self) -> None:
        self.is_closed = True


def read(body: bytes, content_type: str = "application/json") -> Refusal:
    reply = StoredReply(400, body, [("Content-Type", content_type)])
    refusal = refused("PUT", "https://r/v2/?_state=x", reply).refusal
    assert reply.is_closed
    return refusal


@pytest.mark.parametrize(
    ("body", "content_type", "codes", "text"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no"}]}', "application/json", ("DENIED",), "no"),
        (b'{"errors":[{"code":"A","message":"x"},{"code":"B","message":"y","detail":"z"}]}', "application/json", ("A", "B"), "x; y (z)"),
        (b'{"errors":[{"code":"A","message":"x","detail":{"k":1}}]}', "text/plain", ("A",), "x"),
        (b'{"errors":[{"code":"A"}]}', "application/json", ("A",), "A"),
        (b'{"error":"invalid_grant","error_description":"expired"}', "application/json", (), "expired"),
        (b'{"details":"incorrect username or password"}', "application/json", (), "incorrect username or password"),
        (b'{"errors":[1,null,{"code":7,"message":[]}]}', "application/json", (), ""),
        (b'{"errors":"all"}', "application/json", (), ""),
        (b"[]", "application/json", (), ""),
        (b"404 page not found\n", "text/plain", (), "404 page not found"),
        (b"<html><h1>Bad gateway</h1>", "text/html", (), ""),
        (b"\xff\xfe\x1b[31mred", "text/plain", (), "\ufffd\ufffd\\x1b[31mred"),
        (b"[" * 100_000, "application/json", (), "[" * 500 + "..."),
        (b"", "", (), ""),
    ],
)  # fmt: skip
def test_bodies_of_all_kinds_are_read(body: bytes, content_type: str, codes: tuple[str, ...], text: str) -> None:
    refusal = read(body, content_type)
    assert (refusal.codes, refusal.text) == (codes, text)


def test_no_more_than_64_kib_are_read() -> None:
    body = json.dumps({"errors": [{"code": "A", "message": "x" * 100_000}]}).encode()
    assert read(body).codes == ()


def explained(refusal: Refusal, host: str = "ghcr.io", reason: str = "") -> OcibuildError:
    return to_error(RefusedError(refusal), reason, host=host, subject="to take the image")


def refusal(status: int, method: str = "PUT", **facts: Any) -> Refusal:
    return Refusal(method, "https://ghcr.io/v2/octo/app/manifests/1?token=abc", status, **facts)


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [(400, RegistryError, 4), (401, AuthError, 5), (403, AuthError, 5), (404, NotFoundError, 4), (429, RegistryError, 4), (500, RegistryError, 4)],
)  # fmt: skip
def test_the_status_decides_the_kind_of_error(status: int, kind: type[OcibuildError], exit_code: int) -> None:
    error = explained(refusal(status))
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert error.where == "PUT https://ghcr.io/v2/octo/app/manifests/1?token=REDACTED"
    assert "\n" not in error.what + str(error.hint)


@pytest.mark.parametrize(
    ("problem", "host", "hint"),
    [
        (refusal(403, text="installation not allowed to Create organization package"), "ghcr.io", "packages: write"),
        (refusal(403, text="installation not allowed to Write organization package"), "ghcr.io", "link the package"),
        (refusal(403, text="permission_denied: write_package"), "ghcr.io", "Manage Actions access"),
        (refusal(401, text="unauthenticated: User cannot be authenticated with the token provided."), "ghcr.io", "classic"),
        (refusal(403, text="Resource protected by organization SAML enforcement"), "ghcr.io", "single sign-on"),
        (refusal(403, text="You have exceeded a secondary rate limit"), "ghcr.io", "--jobs"),
        (refusal(405, "DELETE", codes=("UNSUPPORTED",)), "ghcr.io", "REST API"),
        (refusal(405, "DELETE", codes=("UNSUPPORTED",)), "localhost:5000", "switched off"),
        (refusal(400, "DELETE", codes=("DIGEST_INVALID",)), "localhost:5000", "by digest only"),
        (refusal(500, codes=("UNKNOWN", "MANIFEST_BLOB_UNKNOWN")), "localhost:5000", "validation.manifests.urls.allow"),
        (refusal(400, codes=("MANIFEST_BLOB_UNKNOWN",)), "localhost:5000", "push the image again"),
        (refusal(413), "registry.example.com", "client_max_body_size"),
        (refusal(404, "POST", codes=("NAME_UNKNOWN",)), "1.dkr.ecr.eu-west-1.amazonaws.com", "created before"),
        (refusal(404, "GET"), "localhost:8000", "may be no registry"),
        (refusal(501, "POST"), "localhost:8000", "may be no registry"),
        (refusal(401, anonymous=True), "ghcr.io", "ocibuild login ghcr.io"),
        (refusal(403, anonymous=True, codes=("DENIED",)), "ghcr.io", "ocibuild login ghcr.io"),
        (refusal(401, grant_error="insufficient_scope"), "registry.example.com", "may not do this"),
        (refusal(403, codes=("DENIED",)), "registry.example.com", "may not do this"),
    ],
)  # fmt: skip
def test_known_refusals_come_with_advice(problem: Refusal, host: str, hint: str) -> None:
    assert hint in str(explained(problem, host).hint)


def test_a_throttled_403_is_no_question_of_permission() -> None:
    assert type(explained(refusal(403, text="You have exceeded a secondary rate limit"))) is RegistryError


def test_the_reason_to_give_up_is_told() -> None:
    assert "after 6 attempts" in explained(refusal(503), reason="after 6 attempts").what


def test_a_storage_that_refuses_is_named_and_no_login_is_advised() -> None:
    error = explained(refusal(401, storage="https://cdn.test", text="no"))
    assert type(error) is RegistryError
    assert error.what.startswith("https://cdn.test, where ghcr.io sent us,")
    assert error.hint is None


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_of_the_network_has_words(trouble: Trouble) -> None:
    problem = UnreachableError(trouble, "the words of the system", Request("GET", "https://r/v2/?x=y"), sent=False)
    error = to_error(problem, "after 6 attempts", host="r", subject="to give x")
    assert type(error) is NetworkError
    assert error.what.endswith("(the words of the system), after 6 attempts; it was to give x")
    assert error.where == "GET https://r/v2/?x=REDACTED"


def test_a_broken_connection_of_ecr_may_mean_a_missing_repository() -> None:
    problem = UnreachableError(Trouble.BROKEN, "reset", Request("POST", "https://r/v2/"), sent=True)
    error = to_error(problem, host="1.dkr.ecr.eu-west-1.amazonaws.com", subject="to take a blob")
    assert "create it first" in str(error.hint)


@pytest.mark.parametrize(("url", "hint"), [("http://r/v2/", "--plain-http"), ("https://r/v2/", "check the port")])
def test_a_connection_that_breaks_may_speak_to_the_wrong_port(url: str, hint: str) -> None:
    problem = UnreachableError(Trouble.BROKEN, "reset", Request("GET", url), sent=True)
    assert hint in str(to_error(problem, host="r", subject="to give x").hint)


@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/html", ""]))
def test_no_body_makes_the_reader_fail(body: bytes, content_type: str) -> None:
    text = read(body, content_type).text
    assert not any(ord(character) < 32 for character in text)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "code", "message", "detail", "error"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON)
def test_no_document_makes_the_reader_fail(document: object) -> None:
    assert isinstance(read(json.dumps(document).encode()).text, str)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=80))
def test_no_delay_makes_the_reader_fail(retry_after: str, date: str, text: str) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    asked = asked_delay(Refusal("GET", "https://r/", 429, retry_after=retry_after, date=date, text=text), moment)
    assert asked is None or asked >= 0
