"""Specs, and ocibuild at work on them: cold, warm, with a published image, pushing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.corpora import CONTEXT, Corpus
from benchmarks.measuring import Command, Contender, call, file_sizes

OCIBUILD = (Path(sys.executable).with_name("ocibuild"),)  # as its users start it
LAYOUT, CACHE = "layout", "cache"  # in the working directory
TAG = "bench"

Compression = Mapping[str, str | int]
GZIP_1: Compression = {"type": "gzip", "level": 1}
ZSTD_3: Compression = {"type": "zstd", "level": 3}


def layer(source: str, name: str = "app", **more: Any) -> dict[str, Any]:
    """A layer that holds the directory `source` as /NAME."""
    return {"name": name, "files": [{"copy": source, "to": f"/{name}", **more}]}


def write_spec(
    name: str,
    layers: Sequence[Mapping[str, Any]],
    compression: Compression | None = None,
    platforms: Sequence[str] = ("linux/amd64",),
    variables: Mapping[str, Any] | None = None,
) -> Path:
    """A spec, in the directory from which it sees all corpora. Without `compression` it leaves that to ocibuild."""
    spec: dict[str, Any] = {
        "apiVersion": "ocibuild/v1",
        "tags": [TAG],
        "platforms": list(platforms),
        "layers": list(layers),
    }
    if compression:
        spec["compression"] = dict(compression)
    if variables:
        spec["vars"] = dict(variables)
    path = CONTEXT / f"benchmark-{name}.yaml"
    path.write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return path


def corpus_spec(corpus: Corpus, compression: Compression | None = None) -> Path:
    """A spec with the corpus as its only layer."""
    name = "-".join([*corpus.name.split(), *(str(value) for value in (compression or {}).values())])
    return write_spec(name, [layer(corpus.source)], compression)


def build_command(spec: Path, directory: Path, *more: str) -> Command:
    """A build whose layout and cache are in `directory`."""
    places = ("--output", f"oci:{directory / LAYOUT}", "--cache-dir", directory / CACHE)
    return (*OCIBUILD, "build", "--quiet", "--file", spec, *places, *more)


def build(spec: Path, directory: Path, *more: str) -> Path:
    """Build, untimed; the layout."""
    call(build_command(spec, directory, *more), directory)
    return directory / LAYOUT


def cold_build(name: str, spec: Path, rounds: int | None = None) -> Contender:
    """A build with an empty cache into a new layout."""
    return Contender(name, lambda directory: build_command(spec, directory), layout_size, rounds)


def warm_build(name: str, spec: Path, touch: Callable[[], None] | None = None) -> Contender:
    """The build after a build, where `touch` may have changed something."""

    def prepare(directory: Path) -> Command:
        build(spec, directory)
        if touch:
            touch()
        return build_command(spec, directory)

    return Contender(name, prepare, layout_size)


def layout_size(directory: Path) -> int:
    """The bytes of all blobs that were made."""
    return file_sizes([directory / LAYOUT / "blobs"])
