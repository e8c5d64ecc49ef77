"""Instructions -> the labels of the final stage, with those that it inherits from earlier stages of the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ocibuild.checks.dockerfile.instructions import Dockerfile, Instruction, parse_dockerfile
from ocibuild.checks.dockerfile.words import QuoteError, Text, Variables, expand, split_words
from ocibuild.checks.labels import LABELS, Label, LabelSet
from ocibuild.checks.profiles import Profile
from ocibuild.checks.rule import Fault
from ocibuild.policy import LabelPolicy

# Arguments that every stage can ask for, and a build gives.
_PREDEFINED = (
    "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT",
)  # fmt: skip


@dataclass(slots=True)
class _Stage:
    """A stage as far as it was read. `arguments` end with it; the rest goes on to stages that are made from it.

    `is_known` if it is known what it is made from: the name of an earlier stage may depend on an argument.
    """

    origin: Instruction
    inherited: tuple[Label, ...] = ()
    is_known: bool = True
    labels: list[Label] = field(default_factory=list)
    broken: list[Fault] = field(default_factory=list)
    environment: dict[str, str | None] = field(default_factory=dict)
    arguments: dict[str, str | None] = field(default_factory=dict)

    @property
    def variables(self) -> Variables:
        return {**self.arguments, **self.environment}

    @property
    def all_labels(self) -> tuple[Label, ...]:
        """Those of the stage, and those of what it is made from that it does not set anew."""
        own = {label.key for label in self.labels}
        return (*(label for label in self.inherited if label.key not in own), *self.labels)


def dockerfile_labels(name: str, text: str, profile: Profile, policy: LabelPolicy | None = None) -> LabelSet | None:
    """The labels that an image built from this file has, with the defaults of its arguments; None if it has no stage."""
    file = parse_dockerfile(name, text)
    stage = _final_stage(file)
    if stage is None:
        return None
    place, broken = file.place(stage.origin.arguments, stage.origin.line), tuple(stage.broken)
    return LabelSet(LABELS, stage.all_labels, place, profile, complete=stage.is_known, policy=policy, broken=broken)


def _final_stage(file: Dockerfile) -> _Stage | None:
    named: dict[str, _Stage] = {}
    stage: _Stage | None = None
    global_arguments: dict[str, str | None] = dict.fromkeys(_PREDEFINED)
    for instruction in file.instructions:
        if instruction.name == "FROM":
            stage = _begin(instruction, file, global_arguments, named)
        elif instruction.name == "ARG":
            target = global_arguments if stage is None else stage.arguments
            for key, value in _arguments(instruction, file, target if stage is None else stage.variables):
                target[key] = value if value is not None or stage is None else global_arguments.get(key)
        elif stage is not None and instruction.name in ("LABEL", "ENV"):
            _take(instruction, file, stage)
    return stage


def _begin(instruction: Instruction, file: Dockerfile, arguments: Variables, named: dict[str, _Stage]) -> _Stage:
    words = [word for word in instruction.arguments.chars.split() if not word.startswith("--")]
    name = expand(words[0], file.escape, arguments) if words else ""
    stage = _Stage(instruction, is_known=name is not None or not named)
    base = named.get(name.lower()) if name else None
    if base is not None:
        stage.inherited, stage.is_known = base.all_labels, base.is_known
        stage.broken, stage.environment = list(base.broken), dict(base.environment)
    if len(words) == 3 and words[1].upper() == "AS":
        named[words[2].lower()] = stage
    return stage


def _arguments(instruction: Instruction, file: Dockerfile, variables: Variables) -> Iterator[tuple[str, str | None]]:
    try:
        words = list(split_words(instruction.arguments, file.escape))
    except QuoteError:
        return
    for word in words:
        name, equals, default = word.chars.partition("=")
        yield name, expand(default, file.escape, variables) if equals else None


def _take(instruction: Instruction, file: Dockerfile, stage: _Stage) -> None:
    """Enters what LABEL and ENV set. All values of one instruction see the variables as they were before it."""
    variables = stage.variables
    try:
        pairs = list(_pairs(instruction, file))
    except QuoteError:
        stage.broken += _fault(instruction, file, instruction.arguments, "a quote in it is not closed")
        return
    if not pairs:
        stage.broken += _fault(instruction, file, instruction.arguments, f"{instruction.name} names no value")
    for key, value in pairs:
        if value is None:
            stage.broken += _fault(instruction, file, key, f"{key.chars!r} has no `=` right behind it")
            continue
        name, meant = expand(key.chars, file.escape, variables), expand(value.chars, file.escape, variables)
        if name == "":
            stage.broken += _fault(instruction, file, key, "its key is empty")
        elif name is not None and instruction.name == "ENV":
            stage.environment[name] = meant
        elif name is not None:
            place, line = file.place, instruction.line
            stage.labels.append(Label(name, meant, place(value if value.chars else key, line), place(key, line)))


def _fault(instruction: Instruction, file: Dockerfile, text: Text, problem: str) -> list[Fault]:
    if instruction.name != "LABEL":
        return []
    hint = "write `LABEL key=value` without blanks around `=`, and with quotes around a value that has some"
    return [Fault(f"this LABEL cannot be read: {problem}", file.place(text, instruction.line), hint)]


def _pairs(instruction: Instruction, file: Dockerfile) -> Iterator[tuple[Text, Text | None]]:
    """Keys and values with their quotes; a word without `=` has no value, but for the old form `LABEL key value`."""
    words = list(split_words(instruction.arguments, file.escape))
    if words and "=" not in words[0].chars:
        whole = instruction.arguments
        start = whole.chars.index(words[0].chars) + len(words[0].chars)
        rest = whole.slice(
            start + len(whole.chars[start:]) - len(whole.chars[start:].lstrip()), len(whole.chars.rstrip())
        )
        yield words[0], rest if rest.chars and not rest.chars.startswith("=") else None
        return
    for word in words:
        position = word.chars.find("=")
        if position <= 0:
            yield word, None
        else:
            yield word.slice(0, position), word.slice(position + 1, len(word.chars))
