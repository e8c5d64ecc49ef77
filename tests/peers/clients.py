"""Other people's clients, with the arguments that loopback servers and temporary directories need."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.peers.programs import call

# How each skopeo command spells "plain HTTP or an unknown certificate will do".
SKOPEO_WITHOUT_TLS = {
    "copy": ("--src-tls-verify=false", "--dest-tls-verify=false"),
    "sync": ("--src-tls-verify=false", "--dest-tls-verify=false"),
    "inspect": ("--tls-verify=false",),
    "list-tags": ("--tls-verify=false",),
    "delete": ("--tls-verify=false",),
}


def skopeo(command: str, *args: str | Path, verify_tls: bool = False) -> CompletedProcess[str]:
    """`skopeo COMMAND ARGS`. With `verify_tls` false (the default) plain HTTP registries will do."""
    insecure = () if verify_tls else SKOPEO_WITHOUT_TLS.get(command, ())
    return call("skopeo", "--insecure-policy", command, *insecure, *args)


def umoci(*args: str | Path) -> CompletedProcess[str]:
    """`umoci ARGS`, without root where the tests run without."""
    rootless = ("--rootless",) if args[:1] == ("unpack",) and os.geteuid() != 0 else ()
    return call("umoci", *args[:1], *rootless, *args[1:])


@dataclass(frozen=True, slots=True)
class Podman:
    """podman with a storage of its own under `directory`: it never sees the machine's images.

    It pulls, inspects and mounts; starting containers asks more of the machine than tests may expect.
    """

    directory: Path

    def __call__(self, *args: str | Path, verify_tls: bool = False) -> CompletedProcess[str]:
        """`podman ARGS`. With `verify_tls` false (the default) `pull` and `push` also speak plain HTTP."""
        insecure = ("--tls-verify=false",) if args[:1] in (("pull",), ("push",)) and not verify_tls else ()
        storage = ("--root", self.directory / "root", "--runroot", self.directory / "run", "--storage-driver", "vfs")
        quiet = ("--events-backend", "none", "--cgroup-manager", "cgroupfs")
        return call("podman", *storage, *quiet, *args[:1], *insecure, *args[1:])

    def pull(self, reference: str, *args: str | Path) -> str:
        """Pulls an image and gives its id (the digest of its config, without the algorithm)."""
        return self("pull", "--quiet", *args, reference).stdout.strip()

    def mount(self, image: str) -> Path:
        """The root file system of a pulled image, until the test ends."""
        return Path(self("image", "mount", image).stdout.strip())

    def discard(self) -> None:
        """Unmounts and removes all images, so that the directory can be deleted."""
        self("image", "umount", "--all", "--force")
        self("rmi", "--all", "--force")
