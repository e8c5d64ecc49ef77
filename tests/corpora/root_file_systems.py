"""Root file systems that run a shell under chroot, with all that makes them hard to pack. Making them needs root."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.corpora.cache import made_once
from tests.peers.programs import call, require, require_root

BOOTSTRAP_WITHIN = 900.0
HARD_LINKED = ("bin/sh", "bin/ash")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n"
GROUP = "root:x:0:\nshadow:x:42:\nguest:x:1000:\n"


def busybox_root() -> Path:
    """A static busybox with links for all its commands, symbolic and hard, a setuid file and one with a capability."""
    require_root()
    require("busybox")
    require("setcap")
    return made_once("busybox", Path(__file__).read_text(), _make_busybox_root)


def debian_root() -> Path:
    """A minimal Debian as debootstrap makes it from this machine's own mirror, without device nodes."""
    require_root()
    require("debootstrap")
    return made_once("debian", Path(__file__).read_text(), _make_debian_root)


def _make_busybox_root(root: Path) -> None:
    root.chmod(0o755)
    for name in ("bin", "etc", "proc", "root", "sys", "tmp", "home/guest", "usr/bin", "var/empty"):
        (root / name).mkdir(parents=True)
    busybox = root / "bin/busybox"
    shutil.copy(require("busybox"), busybox)
    for command in call(busybox, "--list-full").stdout.split():
        _link(root / command, busybox)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "etc/shadow").write_text("root:*:::::::\nguest:*:::::::\n")
    _own(root / "etc/shadow", 0, 42, 0o640)
    _own(root / "home/guest", 1000, 1000, 0o700)
    _own(root / "tmp", 0, 0, 0o1777)
    # A changed owner takes setuid bits and capabilities away, so they come last.
    _own(Path(shutil.copy(busybox, root / "bin/suid-sh")), 0, 42, 0o6755)
    pinger = shutil.copy(busybox, root / "bin/net-ping")
    call("setcap", "cap_net_raw=ep", pinger)


def _link(path: Path, busybox: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if str(path).endswith(HARD_LINKED):
        os.link(busybox, path)
    elif path != busybox:
        path.symlink_to("/bin/busybox")


def _own(path: Path, uid: int, gid: int, mode: int) -> None:
    os.chown(path, uid, gid)
    path.chmod(mode)


def _make_debian_root(root: Path) -> None:
    mirror = configured_mirror()
    keyring = ("--keyring", mirror.keyring) if mirror.keyring else ()
    try:
        call("debootstrap", "--variant=minbase", *keyring, mirror.suite, root, mirror.uri, timeout=BOOTSTRAP_WITHIN)
    finally:
        for mounted in ("proc", "sys"):
            if (root / mounted).is_mount():
                call("umount", root / mounted)
    for device in (root / "dev").iterdir():
        if device.is_char_device() or device.is_block_device():
            device.unlink()
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where this machine gets its own packages."""

    uri: str
    suite: str
    keyring: str | None


def configured_mirror(apt: Path = Path("/etc/apt"), codename: str | None = None) -> Mirror:
    """The mirror of the running release in apt's own settings, one-line or deb822."""
    suite = codename or platform.freedesktop_os_release()["VERSION_CODENAME"]
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in filter(Path.is_file, files):
        parse = _stanzas if file.suffix == ".sources" else _lines
        for uri, suites, keyring in parse(file.read_text()):
            if suite in suites:
                return Mirror(uri, suite, keyring)
    raise LookupError(f"no source for {suite} in {apt}")


def _stanzas(text: str) -> Iterator[tuple[str, list[str], str | None]]:
    kept = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in "\n".join(kept).split("\n\n"):
        fields = dict(line.split(":", 1) for line in stanza.splitlines() if ":" in line and not line.startswith(" "))
        if "deb" in fields.get("Types", "").split() and "main" in fields.get("Components", "").split():
            yield fields["URIs"].split()[0], fields["Suites"].split(), fields.get("Signed-By", "").strip() or None


def _lines(text: str) -> Iterator[tuple[str, list[str], str | None]]:
    for line in text.splitlines():
        words = line.split()
        if words[:1] != ["deb"]:
            continue
        options, _, rest = line.partition("[")[2].rpartition("]") if "[" in line else ("", "", line.split(None, 1)[1])
        signed = [option.partition("=")[2] for option in options.split() if option.startswith("signed-by=")]
        uri, suite, *components = rest.split()
        if "main" in components:
            yield uri, [suite], signed[0] if signed else None
