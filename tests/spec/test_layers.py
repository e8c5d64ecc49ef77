"""Layers and their items: every verb, and attributes at three levels."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.oci.compression import Compressor
from ocibuild.oci.digest import parse_digest
from ocibuild.oci.media_type import Compression
from ocibuild.plan import (
    KEEP,
    ArchiveLayer,
    Attributes,
    Copy,
    Directory,
    Extract,
    FilesLayer,
    ForeignLayer,
    Hardlink,
    Item,
    Keep,
    PlatformPlan,
    Remove,
    Replace,
    Symlink,
    Text,
)
from tests.spec.specs import attributes_of, items_of, plan_of

DIGEST = "sha256:" + "0" * 64


def only(directory: Path, body: str) -> PlatformPlan:
    (platform,) = plan_of(directory, body).platforms
    return platform


@pytest.mark.parametrize(
    ("written", "item"),
    [
        ("{copy: hello, to: /bin/hello, mode: 0755}", Copy("hello", "/bin/hello", mode=0o755)),
        ("{copy: ./site/, to: /srv/www/}", Copy("site", "/srv/www/")),
        ("{copy: ., to: /app, exclude: [.git]}", Copy(".", "/app", exclude=(".git",))),
        ("{copy: a/../b//c, to: //srv/./x}", Copy("b/c", "/srv/x")),
        ("{copy: site, to: /, include: ['**/*.html', '!x'], exclude: [a/]}", Copy("site", "/", ("**/*.html", "!x"), ("a/",))),
        ("{copy: dist/*.whl, to: /wheels}", Copy("dist", "/wheels/", ("/*.whl",))),
        ("{copy: '*.py', to: /app/, exclude: [test_*]}", Copy(".", "/app/", ("/*.py",), ("test_*",))),
        ("{copy: 'a/b/**/c?.[ch]', to: /src}", Copy("a/b", "/src/", ("/**/c?.[ch]",))),
        (r"{copy: 'a\[1\]/\*.txt', to: /x}", Copy("a[1]/*.txt", "/x")),
        (r"{copy: 'a\b', to: /x}", Copy("a\\b", "/x")),
        ('{text: "hello\\n", to: /etc/motd}', Text(b"hello\n", "/etc/motd")),
        ("{text: é, to: /é}", Text("é".encode(), "/é")),
        ('{text: "", to: /empty, mode: "0600"}', Text(b"", "/empty", Attributes(file_mode=0o600))),
        ("{symlink: ../lib, to: /usr/lib64}", Symlink("../lib", "/usr/lib64")),
        ("{hardlink: /etc/motd, to: /etc/issue}", Hardlink("/etc/motd", "/etc/issue")),
        ("{directory: true, to: /var/lib/app/}", Directory("/var/lib/app")),
        ("{directory: true, to: /tmp, mode: 1777}", Directory("/tmp", Attributes(dir_mode=0o1777))),
        ("{extract: rootfs.tar.zst, to: /}", Extract("rootfs.tar.zst", "/")),
        ("{extract: a.tar, to: /a/, include: [x], exclude: [y]}", Extract("a.tar", "/a", ("x",), ("y",))),
        ("{remove: /etc/motd/}", Remove("/etc/motd")),
        ("{replace: /usr/share/doc}", Replace("/usr/share/doc")),
    ],
)  # fmt: skip
def test_every_verb(tmp_path: Path, written: str, item: Item) -> None:
    assert items_of(tmp_path, written) == (item,)


def test_attributes_come_from_the_nearest_level(tmp_path: Path) -> None:
    head = "owner: 1:2\nfile_mode: 0640\ndir_mode: keep\nmtime: 100\nxattrs: {user.a: b}\n"
    layer = "    owner: 3\n    file_mode: 600\n    mtime: keep\n"
    items = items_of(
        tmp_path,
        "{copy: a, to: /a}",
        "{copy: b, to: /b, owner: keep, file_mode: 4755, dir_mode: 0700, mtime: 1970-01-01T00:01:00Z, xattrs: keep}",
        "{text: c, to: /c, mode: 0444, xattrs: {}}",
        head=head,
        layer=layer,
    )
    inherited = Attributes((3, 3), 0o600, KEEP, KEEP, (("user.a", b"b"),))
    assert [attributes_of(item) for item in items] == [
        inherited,
        Attributes(KEEP, 0o4755, 0o700, 60, KEEP),
        Attributes((3, 3), 0o444, KEEP, KEEP, ()),
    ]
    assert not isinstance(Attributes().owner, Keep)


def test_capabilities_are_one_more_extended_attribute(tmp_path: Path) -> None:
    (item,) = items_of(tmp_path, "{copy: p, to: /p, xattrs: {user.z: b, security.a: c}, capabilities: cap_net_raw=ep}")
    names = [name for name, _ in attributes_of(item).xattrs or ()]  # type: ignore[union-attr]
    assert names == ["security.a", "security.capability", "user.z"]


def test_every_kind_of_layer(tmp_path: Path) -> None:
    body = f"""
compression: zstd
layers:
  - {{files: [{{copy: a, to: /a}}]}}
  - {{name: packed, compression: {{type: gzip, level: 9}}, files: [{{copy: a, to: /a}}]}}
  - {{name: old, archive: vendor/layer.tar.gz, compression: gzip}}
  - {{archive: other.tar}}
  - {{name: windows, foreign: {{urls: ["https://example.com/a?b=c"], digest: "{DIGEST}", size: 5, diff_id: "{DIGEST}"}}}}
"""
    digest = parse_digest(DIGEST)
    copy = Copy("a", "/a")
    assert only(tmp_path, body).layers == (
        FilesLayer("layer-1", (copy,), Compressor(Compression.ZSTD, 3), tmp_path, 0),
        FilesLayer("packed", (copy,), Compressor(Compression.GZIP, 9), tmp_path, 0),
        ArchiveLayer("old", "vendor/layer.tar.gz", tmp_path, Compression.GZIP),
        ArchiveLayer("layer-4", "other.tar", tmp_path),
        ForeignLayer("windows", ("https://example.com/a?b=c",), digest, 5, digest),
    )


def test_directories_of_lower_layers_are_known_above(tmp_path: Path) -> None:
    body = """
layers:
  - files: [{directory: true, to: /data, owner: "5"}, {directory: true, to: /gone/a}, {directory: true, to: /other}]
  - files: [{remove: /gone}, {directory: true, to: /data, mode: 0700}]
  - files: [{text: x, to: /data/x}]
"""
    known = [layer.known_directories for layer in only(tmp_path, body).layers if isinstance(layer, FilesLayer)]
    data, other = Attributes(owner=(5, 5)), Directory("/other")
    assert known == [
        (),
        (Directory("/data", data), Directory("/gone/a"), other),
        (Directory("/data", Attributes(dir_mode=0o700)), other),
    ]
