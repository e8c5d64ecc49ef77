"""Large blobs over lines that do not last."""

from __future__ import annotations

import pytest

from ocibuild.oci.blobs import Outcome
from ocibuild.registry.settings import MIB
from ocibuild.registry.strategy import Strategy
from tests.fake_registry import SESSIONS, FakeRegistry
from tests.peers.docker_registry import DockerRegistry
from tests.registry.bad_line import bad_line
from tests.registry.support import Session, blob_of

LARGE = blob_of(40 * MIB)


@pytest.mark.peer("docker-registry")
def test_every_connection_breaks_after_15_mib(session: Session, docker_registry: DockerRegistry) -> None:
    """Each chunk gets a connection of its own, so none carries more than a chunk."""
    with bad_line(docker_registry.host, 15 * MIB) as line:
        repository = session.repository(line.host, "bad/line")
        assert repository.put_blob(LARGE.source()) is Outcome.SENT
        assert line.breaks == 3
    assert session.repository(docker_registry.host, "bad/line").holds(LARGE.descriptor)
    assert session.advanced(LARGE.descriptor) == len(LARGE.data)


def test_the_line_breaks_after_every_15_mib(session: Session, fake_registry: FakeRegistry) -> None:
    """Wherever it breaks, a registry that tells how far it got is carried on with."""
    with bad_line(fake_registry.host, 15 * MIB, over_all=True) as line:
        assert session.repository(line.host).put_blob(LARGE.source()) is Outcome.SENT
        assert line.breaks >= 5
    assert fake_registry.blob("team/app", LARGE.digest) == LARGE.data
    assert fake_registry.count("POST", "*", status=202) == 4
    assert session.advanced(LARGE.descriptor) == len(LARGE.data)


@pytest.mark.parametrize("stored", [0, 1, 2 * MIB, 4 * MIB])
def test_what_arrived_of_a_chunk_is_not_sent_again(session: Session, fake_registry: FakeRegistry, stored: int) -> None:
    """As much of the second chunk as the registry says it has."""
    blob = blob_of(10 * MIB)
    session.registries.host(fake_registry.host).upload_strategy = Strategy.CHUNKS

    def keep_a_part(request: object) -> None:
        (upload,) = fake_registry.contents.sessions.values()
        del upload.data[4 * MIB + stored :]

    fake_registry.on("PATCH", SESSIONS, skip=1).call(keep_a_part).hang_up()
    fake_registry.settings.rotate_state = False
    assert session.repository(fake_registry.host).put_blob(blob.source()) is Outcome.SENT
    assert fake_registry.blob("team/app", blob.digest) == blob.data
    assert fake_registry.count("POST") == 1
    starts = [str(record.headers.get("Content-Range")).partition("-")[0] for record in fake_registry.requests("PATCH")]
    assert str(4 * MIB + stored) in starts


@pytest.mark.parametrize("shown", ["0-0", "0-4194303", "0-99999999", "nonsense", ""])
def test_a_range_that_cannot_be_true_means_to_begin_again(
    session: Session, fake_registry: FakeRegistry, shown: str
) -> None:
    blob = blob_of(10 * MIB)
    session.registries.host(fake_registry.host).upload_strategy = Strategy.CHUNKS
    fake_registry.settings.rotate_state = False
    fake_registry.on("PATCH", SESSIONS, skip=1).hang_up()
    fake_registry.on("GET", SESSIONS).respond(204, {"Range": shown})
    assert session.repository(fake_registry.host).put_blob(blob.source()) is Outcome.SENT
    assert fake_registry.blob("team/app", blob.digest) == blob.data
