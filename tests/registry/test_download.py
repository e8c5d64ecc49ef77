"""Blobs on their way down: verified as they stream, carried on where they break off."""

from __future__ import annotations

import threading

import pytest

from ocibuild.errors import IntegrityError, NetworkError, NotFoundError, RegistryError
from ocibuild.oci.blobs import BlobSource, Outcome
from ocibuild.oci.descriptor import Descriptor
from ocibuild.registry.settings import MIB
from tests.fake_registry import BLOBS, FakeRegistry, digest_of, has_header, same_target_on
from tests.fake_registry.fixtures import Run
from tests.fake_registry.profiles import registry2
from tests.registry.conftest import OpenSession
from tests.registry.support import LAYER, Blob, Session, blob_of

BLOB = blob_of(3 * MIB + 11)
CUT = 2 * MIB + 5


@pytest.fixture
def stocked(fake_registry: FakeRegistry) -> FakeRegistry:
    """A registry that holds BLOB in team/app."""
    fake_registry.add_blob("team/app", BLOB.data)
    return fake_registry


def fetch(session: Session, fake: FakeRegistry, blob: Blob = BLOB) -> bytes:
    return b"".join(session.repository(fake.host).open_blob(blob.descriptor))


def ranges(fake: FakeRegistry) -> list[str | None]:
    return [record.headers.get("Range") for record in fake.requests("GET", BLOBS)]


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_blob_comes_in_one_request(session: Session, fake_registry: FakeRegistry, size: int) -> None:
    blob = blob_of(size)
    fake_registry.add_blob("team/app", blob.data)
    assert fetch(session, fake_registry, blob) == blob.data
    assert ranges(fake_registry) == [None]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
def test_what_is_missing_is_asked_for(session: Session, stocked: FakeRegistry, reset: bool, framing: str) -> None:
    rule = stocked.on("GET", BLOBS).cut_response(CUT, reset=reset)
    if framing == "chunked":
        rule.chunked()
    elif framing == "until close":
        rule.until_close()
    assert fetch(session, stocked) == BLOB.data
    first, second = ranges(stocked)
    assert first is None
    assert second is not None
    assert second.endswith(f"-{len(BLOB.data) - 1}")
    assert 0 < int(second.removeprefix("bytes=").partition("-")[0]) <= CUT


def test_a_line_that_breaks_after_every_megabyte(session: Session, fake_registry: FakeRegistry) -> None:
    """More breaks than attempts: what brings something forward does not count."""
    blob = blob_of(20 * MIB)
    fake_registry.add_blob("team/app", blob.data)
    fake_registry.quirk("GET", BLOBS).cut_response(MIB + 100_000)
    assert fetch(session, fake_registry, blob) == blob.data


def test_a_line_that_brings_nothing_ends(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("GET", BLOBS).cut_response(1000)
    with pytest.raises(NetworkError, match="after 6 attempts"):
        fetch(session, stocked)
    assert len(session.waits) == 5


def test_a_server_without_ranges_sends_all_again_and_the_known_part_is_skipped(
    session: Session, stocked: FakeRegistry
) -> None:
    stocked.on("GET", BLOBS).cut_response(CUT)
    stocked.quirk("GET", BLOBS, where=has_header("Range")).ignoring("Range")
    assert fetch(session, stocked) == BLOB.data


@pytest.mark.parametrize(
    "content_range",
    ["bytes 0-99/100", f"bytes {CUT + 1}-{len(BLOB.data) - 1}/{len(BLOB.data)}", f"bytes {CUT}-{len(BLOB.data) - 2}/*", "nonsense", ""],
)  # fmt: skip
def test_a_wrong_content_range_is_not_believed(session: Session, stocked: FakeRegistry, content_range: str) -> None:
    stocked.on("GET", BLOBS).cut_response(CUT)
    stocked.quirk("GET", BLOBS, where=has_header("Range")).header("Content-Range", content_range)
    assert fetch(session, stocked) == BLOB.data


def test_a_range_that_is_refused_is_not_asked_for_again(session: Session, stocked: FakeRegistry) -> None:
    stocked.on("GET", BLOBS).cut_response(CUT)
    stocked.on("GET", BLOBS, where=has_header("Range"), times=None).respond(416)
    assert fetch(session, stocked) == BLOB.data
    assert [bool(asked) for asked in ranges(stocked)] == [False, True, False]


def test_docker_registry_says_416_with_the_length_of_the_blob(session: Session, stocked: FakeRegistry) -> None:
    registry2(stocked)
    stocked.on("GET", BLOBS).cut_response(CUT)
    assert fetch(session, stocked) == BLOB.data


@pytest.mark.parametrize(
    "change",
    [
        lambda rule: rule.flip_byte(0),
        lambda rule: rule.flip_byte(-1),
        lambda rule: rule.append_bytes(b"x"),
        lambda rule: rule.drop_last_bytes(1),
        lambda rule: rule.append_bytes(b"x").chunked(),
        lambda rule: rule.drop_last_bytes(1).chunked(),
        lambda rule: rule.replace_body(b""),
        lambda rule: rule.gzip_encoding(compress=True),
    ],
    ids=["first byte", "last byte", "longer", "shorter", "longer, no length", "shorter, no length", "empty", "recoded"],
)
def test_other_bytes_are_no_blob(session: Session, stocked: FakeRegistry, change: object) -> None:
    change(stocked.quirk("GET", BLOBS))  # type: ignore[operator]
    with pytest.raises((IntegrityError, NetworkError)) as caught:
        fetch(session, stocked)
    assert caught.value.exit_code in (6, 4)


@pytest.mark.parametrize("size", [0, len(BLOB.data) - 1, len(BLOB.data) + 1, 2**62])
def test_a_size_that_lies_is_noticed_without_taking_memory(session: Session, stocked: FakeRegistry, size: int) -> None:
    lying = Descriptor(LAYER, BLOB.descriptor.digest, size)
    with pytest.raises(IntegrityError):
        b"".join(session.repository(stocked.host).open_blob(lying))


def test_a_stored_gzip_that_is_called_an_encoding_stays_as_it_is(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("GET", BLOBS).gzip_encoding(compress=False)
    assert fetch(session, stocked) == BLOB.data


def test_a_blob_that_is_not_there(session: Session, fake_registry: FakeRegistry) -> None:
    with pytest.raises(NotFoundError) as caught:
        fetch(session, fake_registry)
    assert BLOB.digest in caught.value.what


def test_a_redirect_is_followed_and_resumed(session: Session, stocked: FakeRegistry, running: Run) -> None:
    storage = running(FakeRegistry(contents=stocked.contents))
    stocked.quirk("GET", BLOBS).redirect(same_target_on(storage.url))
    storage.on("GET", BLOBS).cut_response(CUT)
    assert fetch(session, stocked) == BLOB.data
    assert storage.count("GET", BLOBS) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_redirect_of_a_download_is_followed(
    session: Session, stocked: FakeRegistry, running: Run, status: int
) -> None:
    storage = running(FakeRegistry(contents=stocked.contents))
    stocked.on("GET", BLOBS).redirect(same_target_on(storage.url), status=status)
    assert fetch(session, stocked) == BLOB.data


def test_redirects_without_end(session: Session, stocked: FakeRegistry) -> None:
    stocked.quirk("GET", BLOBS).redirect(lambda request: request.target)
    with pytest.raises(RegistryError, match="redirects without end"):
        fetch(session, stocked)
    assert stocked.count("GET", BLOBS) == 6


def test_leaving_early_lets_go_of_everything(new_session: OpenSession, stocked: FakeRegistry) -> None:
    session = new_session(concurrency=1)
    repository = session.repository(stocked.host)
    for _ in range(3):
        chunks = repository.open_blob(BLOB.descriptor)
        assert next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    assert fetch(session, stocked) == BLOB.data


def test_a_copy_inside_one_registry_does_not_lock_itself_out(new_session: OpenSession, stocked: FakeRegistry) -> None:
    """The upload holds the only place for uploads while it reads the download."""
    session = new_session(concurrency=1)
    source, target = session.repository(stocked.host), session.repository(stocked.host, "team/other")
    stocked.settings.mount = "off"
    assert target.put_blob(BlobSource(BLOB.descriptor, lambda: source.open_blob(BLOB.descriptor))) is Outcome.SENT
    assert stocked.blob("team/other", digest_of(BLOB.data)) == BLOB.data


def test_a_stopped_session_reads_no_more(new_session: OpenSession, stocked: FakeRegistry) -> None:
    stop = threading.Event()
    chunks = new_session(stop=stop).repository(stocked.host).open_blob(BLOB.descriptor)
    next(chunks)
    stop.set()
    with pytest.raises(NetworkError, match="stopped"):
        list(chunks)
