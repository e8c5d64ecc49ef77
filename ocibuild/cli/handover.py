"""What a command leaves to those that come after it in a workflow: outputs of the step, a dotenv report, the metadata file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from ocibuild import api
from ocibuild.cli.metadata import metadata_of_built, metadata_of_index, metadata_of_pushed, metadata_text
from ocibuild.errors import OcibuildError
from ocibuild.events import Emit, Event, Finished, Noted, Stage, Started
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import Digest
from ocibuild.oci.location import Location, RegistryLocation
from ocibuild.oci.reference import Reference

# Not OCIBUILD_...: jobs behind this one would take those for options.
_VARIABLES = {"IMAGE_DIGEST": "digest", "IMAGE_NAME": "image", "IMAGE_REF": "ref", "IMAGE_TAGS": "tags"}


class LayerTally:
    """An `Emit` that counts what became of the layers of a build: built, unchanged, published ... Called from several threads."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self._tasks: set[str] = set()
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Started) and event.stage is Stage.BUILD:
                self._tasks.add(event.task)
            elif isinstance(event, Finished) and event.task in self._tasks:
                self._tasks.discard(event.task)
                self.outcomes[event.outcome] += 1


@dataclass(frozen=True, slots=True)
class Result:
    """An image, as those who come after want to know it. `repository` is None for one that has no name."""

    digest: Digest
    repository: Reference | None
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]

    @property
    def image(self) -> str:
        return self.repository.name if self.repository else ""

    @property
    def ref(self) -> str:
        return str(self.repository.with_digest(self.digest) if self.repository else self.digest)

    @property
    def names(self) -> Iterator[str]:
        """Every tagged name, as references that others can use."""
        return (str(self.repository.with_tag(tag)) if self.repository else tag for tag in self.tags)


def results_of_built(built: Sequence[api.Built], *, by_digest: bool) -> list[Result]:
    """With `by_digest`, as images that have no tags."""
    return [_result_of_built(image, () if by_digest else image.plan.tags) for image in built]


def _result_of_built(image: api.Built, tags: tuple[str, ...]) -> Result:
    return Result(image.descriptor.digest, image.plan.image, tags, metadata_of_built(image, tags))


def results_of_pushed(pushed: Sequence[api.Pushed]) -> list[Result]:
    return [Result(one.errand.digest, one.reference, one.tags, metadata_of_pushed(one)) for one in pushed]


def result_of_index(index: Descriptor, destination: Location, tags: Sequence[str]) -> Result:
    reference = destination.reference if isinstance(destination, RegistryLocation) else None
    names = tuple(dict.fromkeys((*((reference.tag,) if reference and reference.tag else ()), *tags)))
    return Result(index.digest, reference, names, metadata_of_index(index, reference, names))


def check_handover(options: Mapping[str, Any], made: Sequence[Path] = ()) -> None:
    """StoreError where `hand_over` is sure to fail, before the work that leads to it. `made` are directories that it makes."""
    for name in ("metadata_file", "dotenv"):
        if options[name]:
            api.refuse_unwritable(options[name], made)
    for file in api.step_files(os.environ):
        api.refuse_unwritable(file, made, in_place=True)


def hand_over(results: Sequence[Result], options: Mapping[str, Any], emit: Emit) -> None:
    """Leave all of it, as the options and the environment ask for. Of several images, each value has a line for each."""
    metadata = metadata_text([result.metadata for result in results])
    values = {
        "digest": "\n".join(str(result.digest) for result in results),
        "image": "\n".join(result.image for result in results),
        "ref": "\n".join(result.ref for result in results),
        "tags": "\n".join(name for result in results for name in result.names),
    }
    if options["metadata_file"]:
        api.write_file(options["metadata_file"], metadata.encode())
    if options["dotenv"]:
        report = api.dotenv({variable: values[name] for variable, name in _VARIABLES.items()})
        api.write_file(options["dotenv"], report.encode())
        if len(report) > api.DOTENV_LIMIT:
            emit(Noted(f"{options['dotenv']} is larger than GitLab takes ({api.DOTENV_LIMIT} bytes)", warning=True))
    api.put_outputs({**values, "metadata": metadata.strip()}, os.environ)


def wants_summary() -> bool:
    """Whether anybody would see a summary of this step."""
    return api.takes_summary(os.environ)


def summarise(markdown: str) -> None:
    """Add to the summary of the step."""
    api.put_summary(markdown, os.environ)


def summarise_pushed(pushed: Sequence[api.Pushed]) -> None:
    """Add what was pushed to the summary, where anybody would see it."""
    if pushed and wants_summary():
        from ocibuild.cli.step_summary import pushed_summary

        summarise(pushed_summary(pushed))


def summarise_index(index: Result, sources: Sequence[str]) -> None:
    """Add an index to the summary."""
    from ocibuild.cli.step_summary import index_summary

    summarise(index_summary(index.ref, tuple(index.names), sources))


@contextmanager
def failures_summarised() -> Iterator[None]:
    """What ends a command stands in the summary of the step, too: the page of a run does not show the log."""
    try:
        yield
    except OcibuildError as error:
        if wants_summary():
            from ocibuild.cli.step_summary import failure_summary

            with suppress(OSError):  # the error that led here matters more
                summarise(failure_summary(error))
        raise
