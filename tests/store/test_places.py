from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.errors import StoreError
from ocibuild.oci.location import parse_output
from ocibuild.oci.reference import parse_reference
from ocibuild.store.docker_archive import write_docker_archive
from ocibuild.store.layout import Layout
from ocibuild.store.naming import named
from ocibuild.store.oci_archive import write_oci_archive
from ocibuild.store.places import open_location
from tests.store.images import add_image, layer_tar

KINDS = ["oci", "oci-archive", "docker-archive"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_place_opens_as_what_it_is(tmp_path: Path, kind: str) -> None:
    reference = parse_reference("ghcr.io/o/hello:1")
    layout = Layout.create(tmp_path / "oci")
    image = add_image(layout, layer_tar("a"))
    layout.name(image, reference=reference)
    write_oci_archive(tmp_path / "oci-archive", layout, [named(image, reference=reference)])
    write_docker_archive(tmp_path / "docker-archive", layout, image, [reference])
    location = parse_output(f"{kind}:{tmp_path}/{kind}:{reference}")
    place = open_location(location)
    assert [str(entry) for entry in place.entries()] == [str(reference)]
    assert place.read_manifest(place.resolve(location.name))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_place_may_be_missing(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StoreError, match=r"does not exist|No such file"):
        open_location(parse_output(f"{kind}:{tmp_path}/none"))
