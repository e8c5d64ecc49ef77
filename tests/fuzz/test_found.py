"""What fuzzing found, once and for all: inputs that were a fault of ours before they were mended."""

from __future__ import annotations

import tarfile

import pytest

from tests.fuzz.targets import TARGETS


def digits_for_a_header() -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 20
    return member.tobuf(tarfile.USTAR_FORMAT) + b"1" * (1 << 20) + bytes(1024)


FOUND = [
    # Looking for the wrong expression of a template went deeper than Python does, beside the place where that was caught.
    ("template", b"{% for n ij x %}\n" + b"{{" * 3000),
    # A record of the cache with a size below zero, with text for a number, or with stretches outside of its blob.
    ("layer record", b'{"format":1,"fingerprint":"","compressor":"","mediaType":"a/b","digest":"sha256:'
     + b"0" * 64 + b'","size":-1,"diffId":"sha256:' + b"0" * 64 + b'"}\n'),
    ("layer record", b'{"format":1,"fingerprint":7,"compressor":"","mediaType":"a/b","digest":"sha256:'
     + b"0" * 64 + b'","size":1,"diffId":"sha256:' + b"0" * 64 + b'"}\n'),
    ("layer record", b'{"format":1,"fingerprint":"","compressor":"","mediaType":"a/b","digest":"sha256:'
     + b"0" * 64 + b'","size":1,"diffId":"sha256:' + b"0" * 64 + b'"}\n' + b"\xff" * 48),
    # A Dockerfile that ends with nothing but the sign that a line goes on.
    ("dockerfile", b"FROM b\n\\"),
    # A here-document of an instruction without a word.
    ("dockerfile", b"FROM b\nRUN<<EOF\nEOF\n"),
    # Sets in expressions and patterns that Python warns of on stderr, since it will read them otherwise one day.
    ("policy", b'labels: {team: {pattern: "[a--z]+"}}'),
    ("tag rules", b"type=match,pattern=v[[a]"),
    ("patterns", b"[a--[:alpha:]]*"),
    # Stars that took longer with each one more, without end.
    ("patterns", b"*a" * 20 + b"*b"),
    # An entry that is no ASCII, where base64 belongs.
    ("auth file", '{"auths":{"ghcr.io":{"auth":"é"}}}'.encode()),
    # An owner without a user, in a layer that is wrong in other ways too.
    ("spec", b'apiVersion: ocibuild/v1\nlayers: [{name: a, owner: ":00", fil$es: []}]\n'),
    # A regular expression's text, with what holds the places of a rule's own expressions.
    ("tag rules", b"typ!ject:x\0" + b"0" * 8 + b"\0" + b"0" * 7 + b'\x1b.**"'),
    # An extended header of a tar that is nothing but digits: the square of its length.
    ("docker archive's tar", digits_for_a_header()),
    # An SPDX expression of very many brackets, where Python's parser ran out of memory.
    ("label value", b"MIT AND (" * 5000),
    # Marks that turn the direction of text around, and characters without a meaning, reached the terminal as they were.
    ("refusal", "\u061c\u00ad\U000e0001\ufff9".encode()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "raw"), FOUND)
def test_what_fuzzing_found_stays_mended(name: str, raw: bytes) -> None:
    TARGETS[name](raw)
