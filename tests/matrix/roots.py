"""Root file systems with a Python of their own: of Debian's releases, for this architecture and for another.

Packages and wheels are unpacked and not installed, so that no program of a foreign architecture has to run for it, and
nothing of this machine changes. Needs Debian's apt and dpkg, and their mirror and pip's to be reachable.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.cli.program import ROOT

# Each release has a Python of its own: 3.11, 3.13, and the newest that there is.
SUITES = ("bookworm", "trixie", "sid")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A kind of machine in the words of Debian, of wheels, and of qemu, which stands in for it where this is another."""

    debian: str
    machine: str

    @property
    def emulator(self) -> str:
        return f"/usr/bin/qemu-{self.machine}-static"


AMD64, ARM64 = Architecture("amd64", "x86_64"), Architecture("arm64", "aarch64")


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system below `path`; `python` is the command for its Python, from within."""

    path: Path
    architecture: Architecture
    python: tuple[str, ...]
    version: str

    @property
    def name(self) -> str:
        return f"{self.version} {self.architecture.machine}"


class Maker:
    """Makes roots in `directory`, with this project and the versions of its dependencies that this environment has."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        own = _run("dpkg", "--print-architecture").strip()
        self._own = next(each for each in (AMD64, ARM64) if each.debian == own)

    def root(self, suite: str, architecture: Architecture) -> Root:
        """The root of a release and an architecture, made where it is not there."""
        path = self._directory / f"{suite}-{architecture.debian}"
        if not path.is_dir():
            half = path.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            self._unpack(suite, architecture, "python3", half)
            for name in ("bin", "lib", "lib64"):  # where the release has them as links, no package holds those
                if not (half / name).exists():
                    (half / name).symlink_to(f"usr/{name}")
            half.rename(path)
        python: tuple[str, ...] = ("/usr/bin/python3",)
        if architecture != self._own:
            python = (architecture.emulator, *python)
            shutil.copy2(
                self._emulators() / architecture.emulator.lstrip("/"), path / architecture.emulator.lstrip("/")
            )
        version = _run("chroot", str(path), *python, "-c", "import platform; print(platform.python_version())").strip()
        root = Root(path, architecture, python, version)
        _fill(root)
        return root

    def _emulators(self) -> Path:
        path = self._directory / "emulators"
        if not path.is_dir():
            self._unpack(SUITES[0], self._own, "qemu-user-static", path)
        return path

    def _unpack(self, suite: str, architecture: Architecture, package: str, target: Path) -> None:
        """Unpack a package and all that it depends on, as a system without any package would need it."""
        apt = self._directory / f"apt-{suite}-{architecture.debian}-{package}"
        (apt / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (apt / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()
        (apt / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_mirror()} {suite} main\n")
        settings = {
            "Dir::State::Lists": apt / "lists",
            "Dir::State::status": apt / "status",
            "Dir::Cache::archives": apt / "archives",
            "Dir::Etc::sourcelist": apt / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "APT::Architecture": architecture.debian,
            "APT::Architectures": architecture.debian,
            "APT::Sandbox::User": "root",
        }
        apt_get = ("apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items()))
        _run(*apt_get, "update")
        _run(*apt_get, "install", "--yes", "--download-only", "--no-install-recommends", package)
        for archive in sorted((apt / "archives").glob("*.deb")):
            _run("dpkg-deb", "--extract", str(archive), str(target))
        shutil.rmtree(apt)


def _fill(root: Root) -> None:
    """Put the project and its dependencies where `PYTHONPATH=/source:/packages` finds them."""
    source, packages = root.path / "source", root.path / "packages"
    shutil.rmtree(source, ignore_errors=True)
    for name in ("ocibuild", "schemas"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pins = sorted(set(_pins("ocibuild")))
    made_of = packages / "pins.txt"
    if made_of.is_file() and made_of.read_text().split() == pins:
        return
    shutil.rmtree(packages, ignore_errors=True)
    version = ".".join(root.version.split(".")[:2])
    tags = [f"--platform=manylinux_2_{minor}_{root.architecture.machine}" for minor in (17, 28, 34)]
    platforms = [f"--platform=manylinux2014_{root.architecture.machine}", *tags]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    _run(*pip, "--only-binary=:all:", f"--target={packages}", f"--python-version={version}", *platforms, *pins)
    made_of.write_text("\n".join(pins))


def _pins(name: str) -> Iterator[str]:
    """What a distribution needs, and what that needs in turn, in the versions that are installed."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield f"{requirement.name}=={distribution(requirement.name).version}"
            yield from _pins(requirement.name)


def _mirror() -> str:
    """Where this machine gets Debian's packages."""
    lines = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages").splitlines()
    return next(line.split()[0] for line in lines if line.endswith(" Debian"))


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words[:4])} ... failed:\n{done.stdout}{done.stderr}")
    return done.stdout
