"""Other programs at the same tasks, as Debian has them; one that is missing does not take part."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from benchmarks.builds import TAG
from benchmarks.corpora import Corpus
from benchmarks.measuring import Command, Contender, call, file_sizes

OUTPUT = "output"  # in the working directory
GZIP_DEFAULT = 6


def present(*programs: str) -> bool:
    """Whether all of these are installed."""
    return all(shutil.which(program) for program in programs)


def umoci(corpus: Corpus, rounds: int | None = None) -> list[Contender]:
    """`umoci insert` of the tree into a fresh image: gzip on all cores, at the default level of its library."""

    def prepare(directory: Path) -> Command:
        image = f"{directory / OUTPUT}:{TAG}"
        call(("umoci", "init", "--layout", directory / OUTPUT), directory)
        call(("umoci", "new", "--image", image), directory)
        return ("umoci", "insert", "--image", image, corpus.path, "/app")

    return [Contender("umoci insert", prepare, _output_size, rounds)] if present("umoci") else []


def buildah(corpus: Corpus, rounds: int) -> list[Contender]:
    """`buildah from scratch`, `copy` and `commit` to an OCI layout, with gzip and a storage of its own."""

    def prepare(directory: Path) -> Command:
        options = ("--root", directory / "root", "--runroot", directory / "run", "--storage-driver", "vfs")
        program = _shell("buildah", *options)
        commit = f"{program} commit --quiet --disable-compression=false --format oci $c oci:{directory / OUTPUT}:{TAG}"
        copy = f"{program} copy --quiet $c {_shell(corpus.path)} /app"
        return ("sh", "-e", "-c", f"c=$({program} from scratch); {copy}; {commit}")

    return [Contender("buildah", prepare, _output_size, rounds)] if present("buildah") else []


def tar_through(corpus: Corpus, *compressor: str, rounds: int | None = None) -> list[Contender]:
    """`tar | COMPRESSOR`: no hashes, no image."""

    def prepare(directory: Path) -> Command:
        tar = _shell("tar", "--create", "--directory", corpus.path, ".")
        return ("sh", "-c", f"{tar} | {_shell(*compressor)} > {_shell(directory / OUTPUT)}")

    name = f"tar | {' '.join(compressor)}"
    return [Contender(name, prepare, _output_size, rounds)] if present("tar", compressor[0]) else []


def skopeo_copy(layout: Path, destination: str, directory: Path) -> Command:
    """`skopeo copy` of the image in a layout to HOST/REPOSITORY:TAG on a registry without TLS."""
    options = ("--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
    (directory / "auth.json").write_text("{}")
    who = ("--authfile", directory / "auth.json")
    return ("skopeo", *options, *who, f"oci:{layout}:{TAG}", f"docker://{destination}")


def _output_size(directory: Path) -> int:
    output = directory / OUTPUT
    return file_sizes([output / "blobs" if output.is_dir() else output])


def _shell(*words: str | Path) -> str:
    return shlex.join(map(str, words))
