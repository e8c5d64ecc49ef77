"""What people demand of labels, and what they let pass: the `policy` and the `waivers` of a spec, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from ocibuild.findings import Place


class ValueType(StrEnum):
    """What the value of a label may have to be."""

    TEXT = "text"
    URL = "url"
    SEMVER = "semver"
    HASH = "hash"
    RFC3339 = "rfc3339"
    SPDX = "spdx"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a policy asks of one label. `pattern` has to fit the whole value; `max_length` is in characters."""

    required: bool = False
    type: ValueType = ValueType.TEXT
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    max_length: int | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """Demands by key, and where they are written. A `strict` policy takes no labels but those it names."""

    name: str
    labels: Mapping[str, Demand]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Waiver:
    """What lets the findings of one rule pass. `line` is the line that it is for, None for the whole of its document.

    `expires` is the last day on which it counts.
    """

    rule: str
    reason: str
    place: Place = field(compare=False)
    expires: date | None = None
    line: int | None = None
