"""Uploads that would be cut off: told once, while there is time to do something about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from ocibuild import api
from ocibuild.checks.profiles import Profile
from ocibuild.events import Advanced, Event, Finished, Noted, Stage, Started
from ocibuild.recipes.pace import UploadPace
from tests.fake_registry import SESSIONS, FakeRegistry
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import HELLO

GHCR = api.profile_named("ghcr")
MB = 10**6


@dataclass
class Clock:
    """Time that passes when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """A pace with what it said. `sends` is an upload of so many megabytes, in steps of (seconds, megabytes)."""

    def __init__(self, profile: Profile = GHCR) -> None:
        self.clock = Clock()
        self.said: list[Event] = []
        self.pace = UploadPace(self.said.append, profile, self.clock)

    def starts(self, total: int | None, task: str = "blob", stage: Stage = Stage.SEND) -> Watch:
        self.pace(Started(task, stage, "app", None if total is None else total * MB))
        return self

    def sends(self, *steps: tuple[float, float], task: str = "blob") -> Watch:
        for seconds, megabytes in steps:
            self.clock.now += seconds
            self.pace(Advanced(task, int(megabytes * MB)))
        return self

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.said if isinstance(event, Noted) and event.warning]


def test_an_upload_that_will_take_too_long_is_told_with_what_helps() -> None:
    watch = Watch().starts(3000).sends((10, 10))
    (warning,) = watch.warnings
    assert warning == (
        "app (3,000 MB) will take about 50 minutes at 1.0 MB/s, and ghcr ends an upload after 10: "
        "split its files over several layers"
    )


def test_it_is_told_once() -> None:
    assert len(Watch().starts(3000).sends((10, 10), (10, 10), (600, 10)).warnings) == 1


@pytest.mark.parametrize("steps", [[(6.0, 60.0)], [(6.0, 30.1)]])
def test_an_upload_that_ends_in_time_is_not_told_of(steps: list[tuple[float, float]]) -> None:
    assert Watch().starts(3000).sends(*steps).warnings == []


def test_the_first_seconds_prove_nothing() -> None:
    assert Watch().starts(3000).sends((4.9, 0.001)).warnings == []


def test_a_link_that_becomes_slow_is_noticed_then() -> None:
    watch = Watch().starts(3000).sends((10, 100))
    assert watch.warnings == []
    assert len(watch.sends((600, 1)).warnings) == 1


def test_what_a_retry_takes_back_counts_against_the_rate() -> None:
    watch = Watch().starts(600).sends((50, 100), (1, -100))
    assert watch.warnings == []
    assert len(watch.sends((49, 10)).warnings) == 1


def test_each_blob_is_judged_by_itself() -> None:
    watch = Watch().starts(3000, "slow").starts(3000, "fast")
    watch.sends((10, 1), task="slow").sends((0, 500), task="fast")
    assert len(watch.warnings) == 1


def test_a_blob_that_has_ended_is_forgotten() -> None:
    watch = Watch().starts(3000)
    watch.pace(Finished("blob", "sent"))
    assert watch.sends((10, 1)).warnings == []


@pytest.mark.parametrize(
    ("total", "stage"),
    [(None, Stage.SEND), (3000, Stage.FETCH), (3000, Stage.BUILD)],
    ids=["no size", "fetch", "build"],
)
def test_only_uploads_of_a_known_size_are_watched(total: int | None, stage: Stage) -> None:
    assert Watch().starts(total, stage=stage).sends((10, 1)).warnings == []


def test_a_registry_without_a_limit_is_never_too_slow() -> None:
    assert Watch(api.profile_named("generic")).starts(3000).sends((1000, 1)).warnings == []


def test_a_push_hears_of_it(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    """The bytes are counted where they leave, and the warning comes to where all events go."""
    clock = Clock()
    desk = new_desk(clock=clock)
    desk.build(f"image: {fake_registry.host}/team/app\ntags: [v1]\n{HELLO}")

    def time_passes(event: Event) -> None:
        clock.now += 6 if isinstance(event, Advanced) else 0

    with desk.places.heard_by(time_passes):
        desk.push(profile=replace(GHCR, upload_seconds=3))
    assert len(desk.warnings) == fake_registry.count("PUT", SESSIONS) == 2
    assert any(warning.startswith("app (") for warning in desk.warnings)
    desk.events.clear()
    desk.push(f"{fake_registry.host}/team/other:v1")  # nobody watches any more
    assert desk.warnings == []
