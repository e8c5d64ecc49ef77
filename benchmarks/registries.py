"""What needs a registry: pushes, and builds that take layers over from an image that is in one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.builds import CACHE, LAYOUT, OCIBUILD, TAG, layer, write_spec
from benchmarks.corpora import Corpus
from benchmarks.measuring import Command, Contender, call
from tests.peers.docker_registry import plain_registry

_PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Registries:
    """docker-registries on loopback, for one scenario.

    Every push gets a registry of its own: skopeo remembers (in the user's cache, which it cannot be told to leave alone)
    which repositories of a registry hold a blob, and would mount from there what we have to send.
    """

    directory: Path
    stack: ExitStack

    def new_repository(self) -> str:
        """HOST/REPOSITORY:TAG in a registry where nobody has pushed anything."""
        directory = self.directory / secrets.token_hex(4)
        directory.mkdir()
        running = self.stack.enter_context(plain_registry(directory))
        return f"{running.host}/{secrets.token_hex(4)}:{TAG}"


@contextmanager
def registries(directory: Path) -> Iterator[Registries]:
    """Runs them until the block ends."""
    with ExitStack() as stack:
        yield Registries(directory, stack)


def push_contenders(shape: str, spec: Path, layout: Path, place: Registries) -> list[Contender]:
    """The image in `layout`, pushed by us and by skopeo: where nothing of it is, and where all of it is."""

    def ours(destination: str, directory: Path) -> Command:
        del directory
        return (*OCIBUILD, "push", "--quiet", "--file", spec, "--output", f"oci:{layout}", destination)

    def theirs(destination: str, directory: Path) -> Command:
        return peers.skopeo_copy(layout, destination, directory)

    pushers = {"ocibuild": ours, **({"skopeo": theirs} if peers.present("skopeo") else {})}
    first = [_push(f"{name}, {shape}", command, place, again=False) for name, command in pushers.items()]
    return first + [_push(f"{name}, {shape}, again", command, place, again=True) for name, command in pushers.items()]


def _push(name: str, command: Callable[[str, Path], Command], place: Registries, *, again: bool) -> Contender:
    def prepare(directory: Path) -> Command:
        destination = place.new_repository()
        if again:
            call(command(destination, directory), directory)
        return command(destination, directory)

    return Contender(name, prepare)


def taking_over_contenders(tree: Corpus, place: Registries) -> list[Contender]:
    """Builds of the second version of an image whose first one is in the registry, each with an empty cache and layout."""
    greeting = {"name": "version", "files": [{"text": "{{ version }}\n", "to": "/etc/version"}]}
    spec = write_spec("published", [layer(tree.source), greeting], variables={"version": {"default": "1"}})

    def command(directory: Path, *more: str) -> Command:
        # Into the default layout: one that is named with -o has to hold all layers.
        return (*OCIBUILD, "build", "--quiet", "--file", spec, "--cache-dir", directory / CACHE, *more)

    def published(directory: Path) -> str:
        destination = place.new_repository()
        elsewhere = directory / _PUBLISHED
        elsewhere.mkdir()
        call(command(elsewhere, "--push", "--tag", destination, "--output", f"oci:{elsewhere / LAYOUT}"), elsewhere)
        return destination

    def second(directory: Path, *more: str) -> Command:
        return command(directory, "--set", "version=2", *more)

    return [
        Contender("ocibuild, cold", second),
        Contender("ocibuild --cache-from", lambda here: second(here, "--cache-from", published(here))),
        Contender("ocibuild --push, cold", lambda here: second(here, "--push", "--tag", place.new_repository())),
        Contender("ocibuild --push, image is there", lambda here: second(here, "--push", "--tag", published(here))),
    ]
