"""The first request: which address, and with or without TLS."""

from __future__ import annotations

import pytest

from ocibuild.registry.contact import find_origin
from ocibuild.registry.exchange import Reply, Request, Trouble, UnreachableError
from ocibuild.registry.refusal import RefusedError
from tests.fake_registry import FakeRegistry, image_of
from tests.fake_registry.fixtures import Run, Tls
from tests.registry.conftest import OpenSession
from tests.registry.support import Session
from tests.registry.test_refusal import StoredReply


class World:
    """Answers by origin: a status, or a trouble."""

    def __init__(self, **answers: int | Trouble) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def __call__(self, request: Request) -> tuple[Reply, Request]:
        self.asked.append(request.url)
        answer = self._answers[request.url.partition(":")[0]]
        if isinstance(answer, Trouble):
            raise UnreachableError(answer, "words", request, sent=False)
        return StoredReply(answer), request


@pytest.mark.parametrize(
    ("name", "plain", "origin"),
    [
        ("ghcr.io", (), "https://ghcr.io"),
        ("docker.io", (), "https://registry-1.docker.io"),
        ("registry.corp:5000", (), "https://registry.corp:5000"),
        ("registry.corp:5000", ("registry.corp:5000",), "http://registry.corp:5000"),
        ("registry.corp:5001", ("registry.corp:5000",), "https://registry.corp:5001"),
        ("localhost:5000", (), "http://localhost:5000"),
    ],
)
@pytest.mark.parametrize("status", [200, 401, 403, 404])
def test_tls_it_is_but_for_this_machine_and_where_asked(
    name: str, plain: tuple[str, ...], origin: str, status: int
) -> None:
    world = World(http=status, https=status)
    assert find_origin(name, plain, world)[0] == origin
    assert world.asked == [f"{origin}/v2/"]


@pytest.mark.parametrize("plain_answer", [400, Trouble.BROKEN])
def test_tls_on_this_machine_is_found_out(plain_answer: int | Trouble) -> None:
    assert find_origin("localhost:5000", (), World(http=plain_answer, https=401))[0] == "https://localhost:5000"


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.TIMEOUT])
def test_nobody_there_is_nobody_there(trouble: Trouble) -> None:
    world = World(http=trouble, https=200)
    with pytest.raises(UnreachableError):
        find_origin("localhost:5000", (), world)
    assert len(world.asked) == 1


@pytest.mark.parametrize("name", ["ghcr.io", "registry.corp:5000"])
def test_tls_is_never_given_up(name: str) -> None:
    world = World(http=200, https=Trouble.TLS)
    with pytest.raises(UnreachableError):
        find_origin(name, (), world)
    assert world.asked == [f"https://{name}/v2/"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_not_met_yet(status: int) -> None:
    with pytest.raises(RefusedError):
        find_origin("ghcr.io", (), World(https=status))


def test_tls_on_this_machine(running: Run, fake_tls: Tls, new_session: OpenSession) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    digest = registry.add_image("team/app", image_of(), "1")
    session = new_session(ca_file=str(fake_tls.authority))
    for host in ("localhost", "127.0.0.1"):
        assert str(session.repository(f"{host}:{registry.port}").resolve("1").digest) == digest


def test_an_ipv6_address(running: Run, session: Session) -> None:
    try:
        registry = running(FakeRegistry(host="::1"))
    except OSError:
        pytest.skip("this machine has no IPv6")
    digest = registry.add_image("team/app", image_of(), "1")
    assert str(session.repository(registry.host).resolve("1").digest) == digest
