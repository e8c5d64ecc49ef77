"""How builds of one project can differ that are to give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

OUTPUT = "layout"


@dataclass(frozen=True)
class Way:
    """How a build differs from the usual one: in its project, its process, or its options."""

    directory: str = "project"
    seed: int = 0
    umask: int = 0o022
    env: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


WAYS = {
    "once more": Way(),
    "another directory": Way(directory="quite/an other place/größer"),
    "another order and other times": Way(seed=1),
    "yet another order": Way(seed=2),
    "a strict umask": Way(umask=0o077),
    "a lax umask": Way(umask=0o000),
    "another time zone": Way(env={"TZ": "Pacific/Kiritimati"}),
    "another language": Way(env={"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}),
    "no language": Way(env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
    "another hash seed": Way(env={"PYTHONHASHSEED": "4242"}),
    "one job": Way(arguments=("-j", "1")),
    "many jobs": Way(arguments=("-j", "9")),
    "all at once": Way(
        "elsewhere", 3, 0o027, {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONHASHSEED": "1"}, ("-j", "3")
    ),
}


def files_of(layout: Path) -> dict[str, bytes]:
    """Every file of a layout, by its path there."""
    return {str(path.relative_to(layout)): path.read_bytes() for path in layout.rglob("*") if path.is_file()}
