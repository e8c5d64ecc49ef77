"""What fuzzing begins with: one good input or more of each kind, and the words that its grammar is made of."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Mapping

import zstandard

from ocibuild.layers.hashes import HASHES_SIZE
from ocibuild.layers.memory import LayerRecord, Stretch, encode_record
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import sha256

DIGEST = str(sha256(b"abc"))
OCI = "application/vnd.oci.image"


def small_tar(form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, kind, link in (
            ("d", tarfile.DIRTYPE, ""), ("d/f", tarfile.REGTYPE, ""), ("l", tarfile.SYMTYPE, "../etc"),
            ("h", tarfile.LNKTYPE, "d/f"), ("é" * 60, tarfile.REGTYPE, ""), ("n" * 200, tarfile.REGTYPE, ""),
            ("c", tarfile.CHRTYPE, ""),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.uid = kind, link, 3_000_000
            member.size = 3 if kind == tarfile.REGTYPE else 0
            if form == tarfile.PAX_FORMAT:
                member.pax_headers = {"SCHILY.xattr.user.a": "b"}
            tar.addfile(member, io.BytesIO(b"abc"))
    return buffer.getvalue()


def descriptor(media_type: str, size: int = 3) -> dict[str, object]:
    return {"mediaType": f"{OCI}.{media_type}", "digest": DIGEST, "size": size, "annotations": {"a": "b"}}


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": f"{OCI}.manifest.v1+json",
    "config": descriptor("config.v1+json"),
    "layers": [descriptor("layer.v1.tar+gzip")],
    "subject": descriptor("manifest.v1+json"),
    "annotations": {"org.opencontainers.image.ref.name": "1"},
}
INDEX = {
    "schemaVersion": 2,
    "manifests": [{**descriptor("manifest.v1+json"), "platform": {"os": "linux", "architecture": "arm64"}}],
}
CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "config": {"Env": ["A=b"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}, "Cmd": None},
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "history": [{"created_by": "x", "empty_layer": True}],
}
SPEC = """\
apiVersion: ocibuild/v1
vars: {version: {default: "1.0"}, flag: {env: FLAG, required: true}}
image: ghcr.io/octocat/hello
tags: ["{{ version }}", latest, {type: semver, pattern: "{{major}}"}]
platforms: [linux/amd64, linux/arm64/v8]
base: ghcr.io/octocat/base:1
compression: {type: zstd, level: 3}
metadata: {licenses: MIT}
annotations: {index: {a: b}, manifest: {c: d}}
config: {entrypoint: [/bin/a], env: {A: b}, user: "1:1", ports: [80/tcp], healthcheck: {test: [CMD, a]}}
layers:
  - name: app
    owner: "0:0"
    files:
      - {copy: a, to: /a, mode: "0755", include: ["**/*.b"]}
      - {text: "x\\n", to: /b}
      - {template: t.j2, to: /c}
      - {symlink: /a, to: /d}
      - {remove: /e}
  - {name: kept, archive: k.tar.gz}
  - {name: far, foreign: {urls: ["https://a/b"], digest: "sha256:00", size: 1, diff_id: "sha256:00"}}
"""
TEMPLATE = """\
{# note #}{% set m = version.split('.')[0] %}{% if m is defined and not empty %}{{ m | int + 1 }}{% else %}-{% endif %}
{% for n in names.split(',') %}{{ loop.index }}{{ n | upper | replace('A', 'B') ~ '!' }}{% endfor %}
{{ platform.arch }}{{ platform['os'] }}{{ git.commit[:7] }}{{ unset | default('x') }}{% raw %}{{{% endraw %}
"""
CHALLENGES = (
    'Bearer realm="https://a.test/token",service="r",scope="repository:a/b:pull,push",error="insufficient_scope"',
    'Negotiate YII=, Basic realm="a \\"b\\"", Digest nonce=x , Bearer realm=x',
)
LINKS = ('</v2/a/tags/list?last=b&n=2>; rel="next"', '<https://a.test/x>; rel=prev, </y>; title="a,>b"; rel="next"')
REFERENCES = (
    "ghcr.io/octocat/hello:1.0@" + DIGEST, "[::1]:5000/a/b", "docker://a", "oci:dir:tag", "oci-archive:f.tar:a/b:1",
    "docker-archive:f", "linux/arm64/v8", "localhost:5000/a", DIGEST, "Upper/Case:TAG",
)  # fmt: skip
AUTH_FILE = {
    "auths": {
        "ghcr.io": {"auth": base64.b64encode(b"user:pass").decode()},
        "https://index.docker.io/v1/": {"identitytoken": "t"},
        "quay.io/a": {"username": "u", "password": "p", "registrytoken": ""},
    },
    "credHelpers": {"ghcr.io": "nothing"},
    "credsStore": "",
}
RECORD = encode_record(
    LayerRecord(
        "f" * 64, "deflate 0.9", Descriptor(f"{OCI}.layer.v1.tar+gzip", sha256(b"a"), 13), sha256(b"b"),
        tuple(Stretch(n, 10, 7, hashlib.sha256(bytes([n])).digest(), b"m" * 32, b"s" * HASHES_SIZE) for n in range(3)),
    )
)  # fmt: skip
DOCKER_MANIFEST = [{"Config": "config.json", "RepoTags": ["a/b:1"], "Layers": ["layer.tar"]}]
HEAD = b"POST /v2/a/blobs/uploads/?digest=sha256:0&mount=x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
DOCKERFILE = b"""# escape=`
ARG V=1
FROM a AS b
LABEL org.opencontainers.image.licenses=MIT "a b"="c `" d" v=${V:-2} w=${V:+x}
LABEL one two three
RUN <<EOF
LABEL no=no
EOF
FROM b
"""
WORKFLOW = b"""on: push
jobs:
  a:
    steps:
      - uses: docker/build-push-action@v6
        with:
          labels: |
            org.opencontainers.image.title=a
          annotations: "index:a=b"
          outputs: type=image,annotation-index.c=d
"""
REFUSALS = (
    b'120\n{"errors":[{"code":"DENIED","message":"no","detail":{"a":"b"}}]}',
    b'Fri, 02 Jan 2026 03:04:05 GMT\n{"message":"retry-after: 1m2.5s, allowed: 44000/minute"}',
    b'Bearer error="invalid_token"\n<html>\x1b]0;x\x07',
)
POLICY = b"""strict: true
labels:
  org.opencontainers.image.source: {required: true, type: url}
  team: {enum: [a, b], pattern: "[a-z]+", max_length: 20, description: x}
"""
TAG_RULES = (
    b"type=semver,pattern={{major}}.{{minor}},value=v1.2.3-rc.1",
    b"type=ref,event=tag,prefix=a-,suffix=-b,priority=7,enable={{is_default_branch}}",
    b"type=match,pattern=/v(\\d+)\\.(?<x>[a-z]*)/i,group=1,value=V1.b",
    b"type=schedule,pattern={{date 'YYYYMMDD-HH[h]' tz='Europe/Berlin'}}",
    b'type=pep440,pattern={{version}},value=1.0rc1,match="(.*)"',
    b"type=raw,value={{sha}}-{{commit_date 'X'}}",
)
PATTERNS = b"*.txt\n!/a/**/b*\n[!a-c]?[[:alpha:]]\\*/\n**/x/**\n#\n"
MEDIA_TYPES = (
    f"{OCI}.layer.v1.tar+gzip".encode(),
    b"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    b"text/plain; a=b",
)
LABEL_VALUES = (
    b"MIT OR (Apache-2.0 WITH LLVM-exception AND GPL-2.0+)", b"https://a.test:80/x?y#z", b"1.2.3-rc.1+b.2",
    b"2026-01-02T03:04:05.6+07:00", b"a.b@c.example.org", b"0123456789abcdef0123456789abcdef01234567",
)  # fmt: skip
ADDRESSES = (
    b"/v2/a/blobs/uploads/1?_state=x%2F", b"https://storage.test/x?sig=a", b"http://private.test/", b"//[::1]:5000/x",
    b"https://user:pass@registry.test/", b"https://registry.test:443/a", b"https://169.254.169.254/latest",
)  # fmt: skip


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


def docker_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, raw in (
            ("config.json", as_json(CONFIG)),
            ("layer.tar", b"abc"),
            ("manifest.json", as_json(DOCKER_MANIFEST)),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
        member = tarfile.TarInfo("link.json")
        member.type, member.linkname = tarfile.SYMTYPE, "./config.json"
        tar.addfile(member)
    return buffer.getvalue()


Seeds = Mapping[str, tuple[bytes, ...]]
_PACK: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, zstandard.ZstdCompressor().compress, lzma.compress)
SEEDS: Seeds = {
    "spec": (SPEC.encode(),),
    "policy": (POLICY,),
    "tag rules": TAG_RULES,
    "patterns": (PATTERNS,),
    "media type": MEDIA_TYPES,
    "label value": LABEL_VALUES,
    "address": ADDRESSES,
    "template": (TEMPLATE.encode(),),
    "tar": (small_tar(), small_tar(tarfile.GNU_FORMAT)),
    "layer": (small_tar(), *(pack(small_tar(tarfile.GNU_FORMAT)) for pack in _PACK)),
    "packed": tuple(pack(b"abc" * 100) + pack(b"") for pack in _PACK),
    "document": (as_json(MANIFEST), as_json(INDEX), as_json(CONFIG)),
    "layout index": (as_json(INDEX),),
    "challenge": tuple(text.encode() for text in CHALLENGES),
    "link": tuple(text.encode() for text in LINKS),
    "reference": tuple(text.encode() for text in REFERENCES),
    "auth file": (as_json(AUTH_FILE),),
    "layer record": (RECORD,),
    "docker archive": (as_json(DOCKER_MANIFEST),),
    "docker archive's tar": (docker_archive(), small_tar(tarfile.GNU_FORMAT)),
    "request head": (HEAD,),
    "dockerfile": (DOCKERFILE,),
    "workflow": (WORKFLOW,),
    "refusal": REFUSALS,
    "lock file": (f"ghcr.io/a/b:1@{DIGEST}\n# a\n".encode(),),
}
WORDS: tuple[bytes, ...] = (
    b"", b"\0", b"\n", b"\r\n", b" ", b"\t", b"{", b"}", b"[", b"]", b'"', b"'", b"\\", b":", b",", b"=", b"-", b"/", b"..",
    b"{{ ", b" }}", b"{% ", b" %}", b"&a ", b"*a", b"<<: ", b"!!python/object:x ", b"null", b"true", b"-1", b"1e999",
    b"9" * 30, b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\\ud800", b"\x1b]0;x\x07", b"\xe2\x80\xae", b"sha256:", b"@", b"#", b"${",
    b"$", b"<<EOF\n", b"<", b">", b";", b"[" * 300, b"{" * 300, b"(" * 300, b'{"a":' * 100, b"7777777", b"\x80", b"/" * 40,
)  # fmt: skip
