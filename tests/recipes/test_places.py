"""Places: readers for every kind of location, one session with registries, and one stream of events."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.borrowing import BorrowingReader
from ocibuild.errors import NotFoundError
from ocibuild.events import Event, Noted
from ocibuild.oci.blobs import BlobReader, ImageReader
from ocibuild.oci.descriptor import Descriptor, describe
from ocibuild.oci.reference import Reference, parse_reference
from tests.fake_registry import FakeRegistry
from tests.recipes.support import HELLO, Desk


def test_events_reach_whoever_listens_as_long_as_they_do() -> None:
    first: list[Event] = []
    second: list[Event] = []
    with api.Places(emit=first.append) as places:
        places.emit(Noted("one"))
        with places.heard_by(second.append):
            places.emit(Noted("two"))
        with pytest.raises(ValueError, match="broken"), places.heard_by(second.append):
            raise ValueError("broken")
        places.emit(Noted("three"))
    assert first == [Noted("one"), Noted("two"), Noted("three")]
    assert second == [Noted("two")]


def test_the_settings_own_listener_is_heard_where_no_other_is_given() -> None:
    events: list[Event] = []
    with api.Places(api.Settings(emit=events.append)) as places:
        places.emit(Noted("one"))
    assert events == [Noted("one")]


def test_a_registry_is_opened_once(desk: Desk, fake_registry: FakeRegistry) -> None:
    one = desk.places.repository(parse_reference(f"{fake_registry.host}/team/app:v1"))
    two = desk.places.repository(parse_reference(f"{fake_registry.host}/team/app:v2"))
    assert one is two
    assert fake_registry.connections == 0


def test_what_needs_no_registry_does_not_pay_for_the_network(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ocibuild import api\n"
        "from ocibuild.oci.location import LayoutLocation\n"
        "spec = Path(sys.argv[1]); facts = api.Facts({}, dict)\n"
        "with api.Places() as places:\n"
        "    api.build(api.load([spec], api.Overrides(), facts), LayoutLocation(sys.argv[2]), places, jobs=1)\n"
        "print('httpx' in sys.modules)"
    )
    spec = tmp_path / "ocibuild.yaml"
    spec.write_text(f"apiVersion: ocibuild/v1\n{HELLO}")
    command = [sys.executable, "-c", code, str(spec), str(tmp_path / "layout")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


# A layout with the registries that hold what it lacks

DATA = b"a layer"
BLOB = describe(DATA, "application/vnd.oci.image.layer.v1.tar")
ONE, TWO = parse_reference("localhost/one"), parse_reference("localhost/two")


class Shelf:
    """A place with these blobs in these chunks, which knows these origins; with `fails`, it breaks after its chunks."""

    def __init__(self, *chunks: bytes, origins: tuple[Reference, ...] = (), fails: Exception | None = None) -> None:
        self.chunks = chunks
        self.origins = origins
        self.fails = fails

    def open_blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        yield from self.chunks
        if self.fails:
            raise self.fails

    def blob_origins(self, descriptor: Descriptor) -> tuple[Reference, ...]:
        return self.origins


MISSING = NotFoundError("there is no blob")


def read(place: Shelf, **lenders: Shelf) -> bytes:
    def lend(reference: Reference) -> BlobReader:
        return lenders[reference.repository]

    reader: ImageReader = place  # type: ignore[assignment]
    return b"".join(BorrowingReader(reader, lend).open_blob(BLOB))


def test_what_the_layout_has_is_not_borrowed() -> None:
    assert read(Shelf(DATA, origins=(ONE,))) == DATA


def test_what_it_lacks_comes_from_the_first_origin_that_has_it() -> None:
    lacking = Shelf(origins=(ONE, TWO), fails=MISSING)
    assert read(lacking, one=Shelf(fails=MISSING), two=Shelf(b"a ", b"layer")) == DATA
    assert read(lacking, one=Shelf(DATA), two=Shelf(b"never asked")) == DATA


def test_an_origin_that_loses_a_blob_midway_is_not_continued_by_another() -> None:
    """Its bytes would come twice."""
    with pytest.raises(NotFoundError):
        read(Shelf(origins=(ONE, TWO), fails=MISSING), one=Shelf(b"a ", fails=MISSING), two=Shelf(DATA))


def test_a_blob_that_nobody_has_names_who_should() -> None:
    with pytest.raises(NotFoundError, match="there is no blob") as caught:
        read(Shelf(origins=(ONE, TWO), fails=MISSING), one=Shelf(fails=MISSING), two=Shelf(fails=MISSING))
    assert "left in localhost/one, localhost/two, which no longer has it" in (caught.value.hint or "")


def test_a_blob_without_origins_is_simply_missing() -> None:
    with pytest.raises(NotFoundError) as caught:
        read(Shelf(fails=MISSING))
    assert caught.value is MISSING
