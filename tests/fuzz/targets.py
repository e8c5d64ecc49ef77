"""What is fuzzed. Each target takes any bytes, and raises only where a promise is broken."""

from __future__ import annotations

import io
import string
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from ocibuild.checks.dockerfile.stages import dockerfile_labels
from ocibuild.checks.profiles import profile_named
from ocibuild.errors import AuthError, IntegrityError, OcibuildError, SourceError, SpecError, UsageError
from ocibuild.findings import Finding
from ocibuild.layers.memory import decode_record
from ocibuild.oci.codec import decode_object, encode
from ocibuild.oci.compression import unpack_any
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.documents import parse_config, parse_document
from ocibuild.oci.location import parse_location
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.oci.reference import parse_reference, parse_tag
from ocibuild.oci.tar_reader import TarReader
from ocibuild.registry.auth_file import read_auth_file
from ocibuild.registry.challenge import choose, parse_challenges
from ocibuild.registry.link import next_link
from ocibuild.registry.redact import printable
from ocibuild.registry.secret import IdentityToken, Login, RegistryToken
from ocibuild.server.heads import HeadError, read_head
from ocibuild.server.ranges import UnsatisfiableError, chunk_range, requested_range
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.load import Facts, Overrides, load_plans
from ocibuild.spec.lockfile import read_lock
from ocibuild.spec.scope import Scope
from ocibuild.spec.template_language import Budget, TemplateError
from ocibuild.spec.templates import OUTPUT_LIMIT, render
from ocibuild.spec.workflows import load_workflow
from ocibuild.store.docker_archive import DockerArchive
from ocibuild.store.index_document import entries_of
from tests.fuzz.seeds import CONFIG, as_json

CHUNK_LIMIT = 9 << 20  # the most that one step of unpacking may give (tests/oci/test_compression.py)
UNPACKED = 1 << 26  # what a target reads of a bomb


@cache
def directory() -> Path:
    """Where inputs become files, in memory where there is such a place."""
    memory = "/dev/shm"
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if Path(memory).is_dir() else None))


def as_file(raw: bytes, name: str) -> Path:
    path = directory() / name
    path.write_bytes(raw)
    return path


def spec(raw: bytes) -> None:
    path = as_file(raw, "ocibuild.yaml")
    try:
        load_plans([path], Overrides(), Facts({"FLAG": "x"}, lambda _: {"commit": "0" * 40}))
    except SpecError as error:
        for finding in error.findings:
            check_finding(finding)


def check_finding(finding: Finding) -> None:
    assert finding.place is not None
    assert finding.message


def template(raw: bytes) -> None:
    scope = Scope(
        {"version": "1.2", "names": "a,b", "empty": ""},
        lambda: {"commit": "0" * 40},
        unset=frozenset({"unset"}),
        platform=Platform("linux", "arm64"),
    )
    text = raw.decode("utf-8", "replace")
    for is_file in (False, True):
        with suppress(TemplateError):
            assert len(render(text, scope, Budget(), is_file=is_file)) <= OUTPUT_LIMIT


def tar(raw: bytes) -> None:
    reader = TarReader([raw], "a.tar")
    with suppress(SourceError):
        for member in reader:
            assert min(member.size, member.uid, member.gid) >= 0
            for _ in reader.content(member.size):
                pass


def packed(raw: bytes) -> None:
    total = 0
    with suppress(IntegrityError):
        for chunk in unpack_any([raw], subject="a"):
            assert len(chunk) <= CHUNK_LIMIT
            total += len(chunk)
            if total > UNPACKED:
                return


def document(raw: bytes) -> None:
    for media_type in (None, "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"):
        with suppress(IntegrityError):
            parsed = parse_document(raw, media_type, subject="a")
            assert parsed.raw == raw
            for child in parsed.children:
                assert child.size >= 0
    with suppress(IntegrityError):
        parse_config(raw, subject="a")
    with suppress(IntegrityError):
        read = decode_object(raw, subject="a")
        assert decode_object(encode(read), subject="a") == read


def layout_index(raw: bytes) -> None:
    with suppress(IntegrityError):
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


def reference(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    for parse in (parse_reference, parse_tag, parse_location, parse_platform, parse_digest):
        try:
            value = parse(text)
        except UsageError:
            continue
        assert parse(str(value)) == value
    with suppress(UsageError):
        digest = parse_digest(text)
        assert set(digest.encoded) <= set(string.ascii_letters + string.digits + "=_-")


def auth_file(raw: bytes) -> None:
    path = as_file(raw, "config.json")
    for name in ("ghcr.io/a/b", "a/b", "quay.io/a/b/c"):
        with suppress(AuthError):
            found = read_auth_file(path).find(parse_reference(name), {"PATH": "/nonexistent"})
            assert found is None or isinstance(found[0], Login | IdentityToken | RegistryToken)
    with suppress(AuthError):
        encode(
            dict(read_auth_file(path).with_entry("a.test", {"auth": "x"}).without("ghcr.io").document.get("x") or {})
        )


def layer_record(raw: bytes) -> None:
    record = decode_record(raw)
    if record is not None:
        facts = (record.fingerprint, record.compressor, record.descriptor.media_type)
        assert all(isinstance(each, str) for each in facts)
        assert type(record.descriptor.size) is int
        assert record.descriptor.size >= 0
        assert all(row.offset + row.length <= record.descriptor.size for row in record.stretches.values())


def docker_archive(raw: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("manifest.json", raw), ("config.json", as_json(CONFIG)), ("layer.tar", b"abc")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with suppress(OcibuildError):
        opened = DockerArchive(as_file(buffer.getvalue(), "docker.tar"))
        for entry in opened.entries():
            assert opened.read_manifest(entry.descriptor)


def request_head(raw: bytes) -> None:
    with suppress(HeadError):
        head = read_head(io.BytesIO(raw))
        assert head.path is not None
        assert isinstance(dict(head.query), dict)
        assert head.is_last in (True, False)
        for value in head.headers.values():
            with suppress(UnsatisfiableError):
                requested_range(value, 100)
            chunk_range(value)


def dockerfile(raw: bytes) -> None:
    dockerfile_labels("Dockerfile", raw.decode("utf-8", "replace"), profile_named("generic"))


def workflow(raw: bytes) -> None:
    steps, _, findings = load_workflow(as_file(raw, "workflow.yml"))
    assert all(step.place.line for step in steps)
    for finding in findings:
        check_finding(finding)


def refusal(raw: bytes) -> None:
    text = printable(raw.decode("utf-8", "replace"))
    assert text.isprintable()


def lock_file(raw: bytes) -> None:
    as_file(raw, "ocibuild.lock")
    read_lock(directory(), "ocibuild.lock", Ledger())


Target = Callable[[bytes], None]
TARGETS: Mapping[str, Target] = {
    "spec": spec,
    "template": template,
    "tar": tar,
    "packed": packed,
    "document": document,
    "layout index": layout_index,
    "challenge": challenge,
    "link": link,
    "reference": reference,
    "auth file": auth_file,
    "layer record": layer_record,
    "docker archive": docker_archive,
    "request head": request_head,
    "dockerfile": dockerfile,
    "workflow": workflow,
    "refusal": refusal,
    "lock file": lock_file,
}
