"""The golden files are what the script makes: the same bytes on every machine, in every release."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.oci.codec import decode_object, encode
from ocibuild.oci.compression import compressor, unpack
from ocibuild.oci.documents import Index, Manifest, parse_config, parse_document
from ocibuild.oci.media_type import OCI_CONFIG
from ocibuild.oci.platform import choose, parse_platform
from tests.fixtures.oci import make_golden

HERE = Path(make_golden.__file__).parent
DOCUMENTS = make_golden.golden_documents()


def rows(table: bytes) -> list[list[str]]:
    return [line.split("\t") for line in table.decode().splitlines()]


def test_the_script_makes_exactly_the_committed_files() -> None:
    made = make_golden.files()
    committed = {file.name: file.read_bytes() for file in HERE.iterdir() if file.suffix in (".json", ".tsv")}
    assert set(made) == set(committed)
    for name in set(made) - {"packed.tsv"}:
        assert made[name] == committed[name], name


def test_segments_are_packed_to_the_committed_digests() -> None:
    committed, made = rows((HERE / "packed.tsv").read_bytes()), rows(make_golden.files()["packed.tsv"])
    versions = {row[0] for row in committed}
    if versions != {row[0] for row in made}:
        pytest.skip(f"the table is of other versions: {', '.join(sorted(versions))}")
    assert made == committed


@pytest.mark.parametrize("name", DOCUMENTS)
def test_golden_documents_are_read_and_written_without_a_changed_byte(name: str) -> None:
    raw, media_type = DOCUMENTS[name]
    assert encode(decode_object(raw, subject=name)) == raw
    if media_type == OCI_CONFIG:
        assert str(parse_config(raw, subject=name).platform) == "linux/amd64"
        return
    document = parse_document(raw, media_type, subject=name)
    assert document.raw == raw
    assert document == parse_document(raw, None, subject=name)


def test_the_tree_of_golden_documents_hangs_together() -> None:
    index, manifest = (parse_document(*DOCUMENTS[name], subject=name) for name in ("index", "manifest"))
    nested = parse_document(*DOCUMENTS["nested-index"], subject="x")
    artifact = parse_document(*DOCUMENTS["artifact"], subject="x")
    assert isinstance(index, Index)
    assert isinstance(manifest, Manifest)
    assert nested.children == (index.descriptor,)
    assert index.manifests[0].digest == manifest.descriptor.digest
    assert artifact.subject == manifest.descriptor
    assert manifest.config.digest == parse_document(*DOCUMENTS["docker-manifest"], subject="x").children[0].digest


def test_the_right_child_is_chosen_from_among_attestations() -> None:
    index = parse_document(*DOCUMENTS["index"], subject="x")
    offered = [child.platform for child in index.children if child.platform]
    assert [str(platform) for platform in offered] == [
        "linux/amd64",
        "linux/arm64/v8",
        "unknown/unknown",
        "unknown/unknown",
    ]
    assert choose(parse_platform("linux/arm64"), offered) is offered[1]
    assert choose(parse_platform("linux/s390x"), offered) is None


def test_packed_segments_unpack_to_themselves() -> None:
    for compression, levels in make_golden.LEVELS.items():
        for level in levels:
            packer = compressor(compression, level)
            for name, segment in make_golden.segments().items():
                packed = bytes(packer.pack(segment))
                assert b"".join(unpack([packed], compression, subject=name)) == segment
