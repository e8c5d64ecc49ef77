"""What is measured: each scenario makes its contenders ready and says what their figures have to show."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks import corpora, growth, peers
from benchmarks.builds import (
    OCIBUILD,
    ZSTD_3,
    build,
    build_command,
    cold_build,
    corpus_spec,
    layer,
    warm_build,
    write_spec,
)
from benchmarks.cold import cold, cold_goals, levels
from benchmarks.goals import linear, seconds, wall
from benchmarks.measuring import Contender, before_each
from benchmarks.registries import Registries, push_contenders, registries, taking_over_contenders
from benchmarks.scenario import Scenario, Setting

MIB = 1 << 20


def one_changed(setting: Setting) -> list[Contender]:
    """One source file of the tree is edited after a build."""
    original = corpora.site_packages()
    tree = corpora.copy_of(original, setting.scratch / "tree")
    edited = corpora.file_in_the_middle(tree)
    spec = write_spec("changed", [layer(str(tree.relative_to(corpora.CONTEXT)))])

    def edit() -> None:
        with edited.open("a") as file:
            file.write("# edited\n")

    contenders = [cold_build("ocibuild, cold", spec), warm_build("ocibuild, one file changed", spec, edit)]
    return before_each(contenders, lambda: corpora.warm(tree))


def unchanged(setting: Setting) -> list[Contender]:
    """Nothing is edited after a build; `find` looks at every file, and does nothing else."""
    tree = corpora.javascript()
    spec = corpus_spec(tree)
    done = setting.directory("done")
    build(spec, done)
    contenders = [
        Contender("ocibuild, nothing changed", lambda _: build_command(spec, done)),
        Contender("find", lambda _: ("find", tree.path, "-size", "-0")),
    ]
    return before_each(contenders, lambda: corpora.warm(tree.path))


def published(setting: Setting) -> list[Contender]:
    """The image was built elsewhere and is in a registry; here is nothing of it. A small layer has changed."""
    tree = corpora.site_packages()
    contenders = taking_over_contenders(tree, _registries(setting))
    return before_each(contenders, lambda: corpora.warm(tree.path))


def push(setting: Setting) -> list[Contender]:
    """An image of about 180 MB goes to a repository that has nothing of it, and once more to one that has it all."""
    tree = corpora.site_packages()
    parts = ("pandas", "scipy", "statsmodels", "sklearn")
    apart = [layer(tree.source, part, include=[f"/{part}*/"]) for part in parts]
    rest = layer(tree.source, "rest", exclude=[f"/{part}*/" for part in parts])
    specs = {"one layer": [layer(tree.source)], "five layers": [*apart, rest]}
    place = _registries(setting)
    made = []
    for shape, layers in specs.items():
        name = shape.replace(" ", "-")
        spec = write_spec(f"push-{name}", layers)
        made += push_contenders(shape, spec, build(spec, setting.directory(name)), place)
    return made


def large(setting: Setting) -> list[Contender]:
    """Files beyond what memory may hold: one alone, and a layer of three of them."""
    file = corpora.large_file(256 * MIB if setting.quick else 4096 * MIB)
    thrice = {
        "name": "app",
        "files": [{"copy": f"{file.source}/file", "to": f"/app/{number}"} for number in range(3)],
    }
    three = cold_build(f"ocibuild zstd 3, three times {file.name}", write_spec("large", [thrice], ZSTD_3), 1)
    return [
        cold_build("ocibuild gzip", corpus_spec(file), 1),
        cold_build("ocibuild zstd 3", corpus_spec(file, ZSTD_3), 1),
        *peers.umoci(file, 1),
        *([] if setting.quick else [three]),
    ]


def start_up(setting: Setting) -> list[Contender]:
    """What is there to pay before any work begins."""
    spec = write_spec("small", [{"name": "app", "files": [{"text": "hello\n", "to": "/etc/motd"}]}])
    done = setting.directory("done")
    build(spec, done)
    return [
        _plain("python -c pass", sys.executable, "-c", "pass"),
        _plain("ocibuild --version", *OCIBUILD, "--version"),
        _plain("ocibuild --help", *OCIBUILD, "--help"),
        _plain("ocibuild render", *OCIBUILD, "render", "--file", spec),
        Contender("ocibuild build, unchanged", lambda _: build_command(spec, done)),
    ]


def _plain(name: str, *command: str | Path) -> Contender:
    return Contender(name, lambda _: command)


def _registries(setting: Setting) -> Registries:
    return setting.stack.enter_context(registries(setting.directory("registry")))


SCENARIOS = (
    Scenario("cold-python", "Cold: site-packages", partial(cold, corpora.site_packages), cold_goals(0.75)),
    Scenario("cold-javascript", "Cold: JavaScript tree", partial(cold, corpora.javascript), cold_goals(0.6)[:-1]),
    Scenario("levels-python", "Levels: site-packages", partial(levels, corpora.site_packages), rounds=0.4),
    Scenario("levels-javascript", "Levels: JavaScript tree", partial(levels, corpora.javascript), rounds=0.4),
    Scenario(
        "changed",
        "One file of the site-packages changed",
        one_changed,
        [wall("ocibuild, one file changed", ("ocibuild, cold",), 0.25)],
    ),
    Scenario(
        "unchanged", "Nothing of the JavaScript tree changed", unchanged, [seconds("ocibuild, nothing changed", 0.4)], 2
    ),
    Scenario(
        "published",
        "Empty cache, previous image in a registry",
        published,
        [
            wall("ocibuild --cache-from", ("ocibuild, cold",), 0.4),
            wall("ocibuild --push, image is there", ("ocibuild --push, cold",), 0.4),
        ],
    ),
    Scenario(
        "push",
        "Push to a registry on loopback",
        push,
        [wall(f"ocibuild, {shape}", (f"skopeo, {shape}",), 1.25) for shape in ("one layer", "five layers")],
    ),
    Scenario("large", "Large files", large),
    Scenario("start-up", "Start-up", start_up, rounds=3),
    Scenario(
        "files",
        "Growth: files",
        lambda _: growth.more_files(),
        [linear("ocibuild, 10000 files", "ocibuild, 40000 files", 4, 1.1)],
    ),
    Scenario(
        "bytes",
        "Growth: bytes",
        lambda _: growth.more_bytes(),
        [linear("ocibuild, 128 MiB", "ocibuild, 512 MiB", 4, 1.1)],
    ),
    Scenario(
        "layers",
        "Growth: layers",
        lambda _: growth.more_layers(),
        [linear("ocibuild, 24 layers", "ocibuild, 96 layers", 4, 1.1)],
    ),
    Scenario(
        "platforms",
        "Growth: platforms that share a layer",
        lambda _: growth.more_platforms(),
        [linear("ocibuild, 1 platforms", "ocibuild, 8 platforms", 1, 1.2)],
    ),
)
