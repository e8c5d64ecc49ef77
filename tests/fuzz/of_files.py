"""Targets for files that programs wrote: archives, packed streams, records of the cache, credentials."""

from __future__ import annotations

import io
import tarfile

from ocibuild.checks.layer_reading import read_layer
from ocibuild.errors import AuthError, IntegrityError, OcibuildError, SourceError
from ocibuild.layers.memory import decode_record
from ocibuild.oci.compression import unpack_any
from ocibuild.oci.digest import sha256
from ocibuild.oci.layer_limits import Limits
from ocibuild.oci.reference import parse_reference
from ocibuild.oci.tar_reader import TarReader
from ocibuild.registry.auth_file import read_auth_file
from ocibuild.registry.secret import IdentityToken, Login, RegistryToken
from ocibuild.store.docker_archive import DockerArchive
from tests.fuzz.promises import as_file, refused_with
from tests.fuzz.seeds import CONFIG, as_json

CHUNK_LIMIT = 9 << 20  # the most that one step of unpacking may give (tests/oci/test_compression.py)
UNPACKED = 1 << 26  # what a target reads of a bomb


def tar(raw: bytes) -> None:
    reader = TarReader([raw], "a.tar")
    with refused_with(SourceError):
        for member in reader:
            assert min(member.size, member.uid, member.gid) >= 0
            for _ in reader.content(member.size):
                pass


def packed(raw: bytes) -> None:
    total = 0
    with refused_with(IntegrityError):
        for chunk in unpack_any([raw], subject="a"):
            assert len(chunk) <= CHUNK_LIMIT
            total += len(chunk)
            if total > UNPACKED:
                return


def layer(raw: bytes) -> None:
    reading = read_layer([raw], len(raw), [sha256(b"")], subject="a", limits=Limits(harmless=UNPACKED))
    assert reading.diff_ids or reading.stopped
    assert reading.stopped is None or reading.stopped[1].isprintable()


def auth_file(raw: bytes) -> None:
    path = as_file(raw, "config.json")
    for name in ("ghcr.io/a/b", "a/b", "quay.io/a/b/c"):
        with refused_with(AuthError):
            found = read_auth_file(path).find(parse_reference(name), {"PATH": "/nonexistent"})
            assert found is None or isinstance(found[0], Login | IdentityToken | RegistryToken)
    with refused_with(AuthError):
        changed = read_auth_file(path).with_entry("a.test", {"auth": "x"}).without("ghcr.io")
        assert "a.test" in changed.document["auths"]
        changed.save()


def layer_record(raw: bytes) -> None:
    record = decode_record(raw)
    if record is not None:
        facts = (record.fingerprint, record.compressor, record.descriptor.media_type)
        assert all(isinstance(each, str) for each in facts)
        assert type(record.descriptor.size) is int
        assert record.descriptor.size >= 0
        assert all(row.offset + row.length <= record.descriptor.size for row in record.stretches)


def docker_archive(raw: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("manifest.json", raw), ("config.json", as_json(CONFIG)), ("layer.tar", b"abc")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    _read_docker_archive(buffer.getvalue())


def docker_archive_tar(raw: bytes) -> None:
    _read_docker_archive(raw)


def _read_docker_archive(raw: bytes) -> None:
    with refused_with(OcibuildError):
        opened = DockerArchive(as_file(raw, "docker.tar"))
        for entry in opened.entries():
            assert opened.read_manifest(entry.descriptor)
