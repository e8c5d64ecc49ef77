"""What the tests of recipes share: specs as text, places without credentials and waits, and the events that were told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocibuild import api
from ocibuild.events import Advanced, Event, Finished, Noted, Stage, Started
from ocibuild.findings import Finding
from ocibuild.oci.location import Location, RegistryLocation, parse_location, parse_output
from ocibuild.oci.reference import Reference, parse_reference
from ocibuild.plan import Plan
from ocibuild.registry.credentials import ANONYMOUS
from tests.fake_registry import BASE, FakeRegistry, Record

HEAD = "apiVersion: ocibuild/v1\n"
FACTS = api.Facts(environ={}, git=lambda directory: {})
HELLO = """
layers:
  - name: app
    files: [{text: "hello from {{ platform.arch }}", to: /hello}]
"""


@dataclass
class Desk:
    """A directory to build in, the places of one command, and all that they told."""

    directory: Path
    places: api.Places
    events: list[Event]
    waits: list[float] = field(default_factory=list)
    loaded: tuple[Plan, ...] = ()

    def load(self, *specs: str, **overrides: Any) -> tuple[Plan, ...]:
        """The plans of specs whose first line is left out."""
        file = self.directory / "ocibuild.yaml"
        file.write_text("---\n".join(HEAD + text + "\n" for text in specs))
        self.loaded = api.load([file], api.Overrides(**overrides), FACTS)
        return self.loaded

    def build(
        self,
        *specs: str,
        to: str = "layout",
        sparse: bool = False,
        reuse: api.Reuse | None = None,
        jobs: int = 2,
        **overrides: Any,
    ) -> tuple[api.Built, ...]:
        """Builds specs into a layout (or, with its kind, an archive) in the directory."""
        plans = self.load(*specs, **overrides)
        return api.build(plans, self.output(to), self.places, self_contained=not sparse, reuse=reuse, jobs=jobs)

    def push(self, *destinations: str, of: str = "layout", **terms: Any) -> tuple[api.Pushed, ...]:
        """Pushes what was built of the specs that were loaded last."""
        return api.push_plans(self.plans(), self.output(of), references(destinations), self.places, api.Terms(**terms))

    def plan(self, *destinations: str, of: str = "layout", **terms: Any) -> tuple[api.PushPlan, ...]:
        """What such a push would do."""
        return api.plan_push(self.plans(), self.output(of), references(destinations), self.places, api.Terms(**terms))

    def plans(self) -> tuple[Plan, ...]:
        """The plans that were loaded last, at this desk or (as by a second command) at another one."""
        return self.loaded or api.load([self.directory / "ocibuild.yaml"], api.Overrides(), FACTS)

    def output(self, to: str) -> Any:
        """`layout`, or `oci-archive:image.tar`: a place in the directory."""
        kind, colon, name = to.partition(":")
        return parse_output(f"{kind}:{self.directory / name}" if colon else f"oci:{self.directory / to}")

    def at(self, text: str) -> Location:
        """A place in the directory, or a registry's reference, as the command line reads it."""
        kind, colon, rest = text.partition(":")
        local = colon and kind in ("oci", "oci-archive", "docker-archive")
        return parse_location(f"{kind}:{self.directory / rest}" if local else text)

    def path(self, name: str = "layout") -> Path:
        return self.directory / name

    def done(self, stage: Stage) -> list[tuple[str, str]]:
        """Subject and outcome of every task of a stage that has ended."""
        outcomes = {event.task: event.outcome for event in self.events if isinstance(event, Finished)}
        begun = [event for event in self.events if isinstance(event, Started) and event.stage is stage]
        return [(event.subject, outcomes[event.task]) for event in begun]

    def advanced(self) -> dict[str, tuple[int | None, int]]:
        """For every task: its size as it was announced, and the sum of its progress."""
        totals = {event.task: event.total for event in self.events if isinstance(event, Started)}
        steps = [event for event in self.events if isinstance(event, Advanced)]
        return {
            task: (totals.get(task), sum(s.amount for s in steps if s.task == task)) for task in {s.task for s in steps}
        }

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noted) and event.warning]


def open_desk(directory: Path, clock: Callable[[], float] = lambda: 0.0, **settings: Any) -> Desk:
    """A desk, anonymous unless `settings` has credentials. Its places are to be closed."""
    events: list[Event] = []
    waits: list[float] = []
    chosen = {"credentials": lambda _: ANONYMOUS, "sleep": waits.append, **settings}
    places = api.Places(api.Settings(**chosen), events.append, clock)
    return Desk(directory, places, events, waits)


def references(texts: Sequence[str]) -> tuple[Reference, ...]:
    return tuple(map(parse_reference, texts))


def at_registry(text: str) -> RegistryLocation:
    return RegistryLocation(parse_reference(text))


def for_registry(registry: FakeRegistry, name: str = "team/app", tags: str = "v1") -> str:
    """A spec for an image of that registry."""
    return f"image: {registry.host}/{name}\ntags: [{tags}]\n{HELLO}"


def digest(desk: Desk, at: str) -> str:
    """The digest of what is at a place."""
    return str(api.digest(desk.at(at), desk.places))


def names(desk: Desk, at: str) -> list[str]:
    """The names of the images of a layout or an archive."""
    location = desk.at(at)
    assert not isinstance(location, RegistryLocation)
    return [str(entry) for entry, _ in api.images(location)]


def records(registry: FakeRegistry) -> list[Record]:
    """All requests but the greeting."""
    return [record for record in registry.requests() if record.path != BASE]


def rules(findings: Sequence[Finding]) -> list[str]:
    return [finding.rule for finding in findings]
