"""A project that uses every verb of a spec, written down anew for each test: in any order, under any umask, at any time."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

SPEC = """\
apiVersion: ocibuild/v1
vars:
  greeting: {default: "grüß dich"}
image: registry.example/team/everything
tags: [v1, latest]
platforms: [linux/amd64, linux/arm64/v8]
metadata: {source: "https://example.org/everything", description: "Every verb — once", licenses: MIT}
labels: {zebra: "1", aardvark: "2"}
annotations: {index: {b: "1", a: "2"}, manifest-descriptor: {d: "1", c: "2"}}
config: {env: {LANG: C.UTF-8, ARCH: "{{ platform.arch }}"}, user: "65532:65532", ports: [8080/tcp, 53/udp], volumes: [/data, /cache]}
layers:
  - name: files
    files:
      - {copy: tree, to: /srv/tree, exclude: ["*.skip"]}
      - {copy: "tree/*.txt", to: /srv/texts/}
      - {copy: big, to: /srv/big, owner: "10:20", mode: "0640"}
      - {text: "{{ greeting }} {{ platform.arch }}\\n", to: /etc/motd}
      - {template: conf.j2, to: /etc/conf}
      - {symlink: /etc/motd, to: /etc/issue}
      - {hardlink: /etc/motd, to: /etc/motd.same}
      - {directory: true, to: /var/lib/app, owner: "65532:65532", mode: "0700"}
      - {text: ping, to: /bin/ping, mode: "0755", capabilities: "cap_net_raw=ep"}
  - name: overlay
    compression: zstd
    files:
      - {extract: vendor.tar.gz, to: /opt/vendor}
      - {remove: /srv/tree/0}
      - {replace: /srv/texts}
      - {text: only, to: /srv/texts/only}
  - name: plain
    platforms: [linux/arm64]
    compression: none
    files: [{text: arm, to: /arm}]
  - {name: kept, archive: kept.tar.gz}
"""


def write_project(directory: Path, *, seed: int = 0, umask: int = 0o022) -> Path:
    """The project in `directory`, which is made. `seed` shuffles the order in which files come to be, and their times."""
    chance = random.Random(seed)
    before = os.umask(umask)
    try:
        steps = _steps()
        chance.shuffle(steps)
        for path, write in steps:
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target)
            os.utime(target, (chance.randrange(10**9), chance.randrange(10**9)), follow_symlinks=False)
    finally:
        os.umask(before)
    return directory


def _steps() -> list[tuple[str, Callable[[Path], object]]]:
    chance = random.Random("content")
    big = chance.randbytes(700_000) + bytes(3_000_000) + b"the end"
    names = [f"tree/{number}/{name}" for number in range(8) for name in ("a", "B", "ä", "a.skip", "z/z")]
    steps: list[tuple[str, Callable[[Path], object]]] = [
        ("ocibuild.yaml", lambda path: path.write_bytes(SPEC.encode())),
        ("conf.j2", lambda path: path.write_text("# {{ greeting }}\nplatform = {{ platform.os }}\n")),
        ("big", lambda path: path.write_bytes(big)),
        ("vendor.tar.gz", lambda path: path.write_bytes(_archive("lib/one", "lib/two", "lib/three/ö"))),
        ("kept.tar.gz", lambda path: path.write_bytes(_archive("kept"))),
        ("tree/one.txt", lambda path: path.write_bytes(b"1")),
        ("tree/two.txt", lambda path: path.write_bytes(b"2")),
        ("tree/link", lambda path: path.symlink_to("one.txt")),
        ("tree/run", _write_program),
        *((name, lambda path, text=name: path.write_bytes(text.encode())) for name in names),
    ]
    return steps


def _write_program(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(path.stat().st_mode | 0o100)


def _archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name.encode())
            tar.addfile(member, io.BytesIO(name.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)
