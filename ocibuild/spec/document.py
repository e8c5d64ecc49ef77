"""One YAML document and the way from its nodes to rendered values, with findings for what cannot be rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from ocibuild.errors import OcibuildError
from ocibuild.findings import Place
from ocibuild.plan import Origin
from ocibuild.spec.complaints import Complaint
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.nodes import MapNode, Path, ScalarNode, key_span_of, span_of, walk
from ocibuild.spec.scope import Scope
from ocibuild.spec.source import Source, Span
from ocibuild.spec.tag_rules import is_rule
from ocibuild.spec.template_language import Budget, TemplateError
from ocibuild.spec.values import Value, evaluate, is_template

# What may differ from platform to platform; everything else is said once for the whole image.
PLATFORM_KEYS = ("base", "config", "labels", "layers", "unset")
PLATFORM_ANNOTATIONS = ("manifest", "manifest-descriptor")
# What says nothing of the image, and so has no templates.
AS_WRITTEN = ("extends", "matrix", "vars", "policy", "waivers")
# What is rendered part by part where it is read.
_LATER = ("flavor",)


@dataclass(slots=True)
class Document:
    """A document of a source, for one combination of the values in its `matrix`.

    `inherited` are the sources that it extends: `root` is what they and the document say together. `read` are the further
    files that decide on the image. `broken` are the paths of values that no template could give.
    """

    source: Source
    root: MapNode
    ledger: Ledger
    inherited: tuple[Source, ...] = ()
    matrix: Mapping[str, str] = field(default_factory=dict)
    read: set[FilePath] = field(default_factory=set)
    budget: Budget = field(default_factory=Budget)
    broken: set[Path] = field(default_factory=set)

    @property
    def directory(self) -> FilePath:
        """Where the spec is: what the paths of its sources are relative to, those that are inherited too."""
        return FilePath(self.source.name).absolute().parent

    @property
    def files(self) -> tuple[FilePath, ...]:
        """Everything that was read so far to know what the document says."""
        names = (source.name for source in (self.source, *self.inherited))
        return tuple(sorted({FilePath(name).absolute() for name in names} | self.read))

    def source_of(self, origin: Origin) -> Source:
        """The source that an origin is in."""
        return next((each for each in self.inherited if each.name == origin.file), self.source)

    def place(self, path: Path) -> Place:
        return span_of(self.root, path).place

    def key_place(self, path: Path) -> Place:
        return key_span_of(self.root, path).place

    def origin(self, path: Path) -> Origin:
        return span_of(self.root, path).origin

    def origins(self) -> dict[str, Origin]:
        """Where everything stands, by dotted key (`layers.0.foreign.urls`)."""
        return {".".join(map(str, path)): node.span.origin for path, node in walk(self.root) if path}

    def enter(self, complaints: Iterable[Complaint]) -> None:
        """Enters what breaks the schema."""
        for one in complaints:
            place = self.key_place(one.path) if one.at_key else self.place(one.path)
            self.ledger.add(one.rule, one.message, place, one.hint)

    def is_broken(self, path: Path) -> bool:
        """Whether the value at `path`, or one around it, was complained about already."""
        return any(path[:length] in self.broken for length in range(len(path) + 1))


def refuse_templates_in_keys(document: Document) -> None:
    """Complains of templates where they stay as they are: a value never decides on the structure."""
    for path, _ in walk(document.root):
        if path and isinstance(path[-1], str) and is_template(path[-1]):
            message = "a key cannot be a template: templates are rendered in values only"
            document.ledger.add("spec-template-in-key", message, document.key_place(path), "write the key itself")


def evaluate_image(document: Document, scope: Scope) -> dict[str, Value]:
    """What the document says of the image as a whole, rendered; what says nothing of the image stays as written."""
    render, as_written = _renderer(document, scope), _as_written
    values: dict[str, Value] = {}
    for key, node in document.root.entries.items():
        if key == "annotations" and isinstance(node, MapNode):
            values[key] = _annotations(node, render, for_platform=False)
        elif key not in PLATFORM_KEYS:
            later = key in (*AS_WRITTEN, *_LATER)
            values[key] = evaluate(
                node, (key,), as_written if later else _tag_renderer(render) if key == "tags" else render
            )
    return values


def evaluate_platform(document: Document, scope: Scope, image: dict[str, Value]) -> dict[str, Value]:
    """The whole document for the platform of `scope`: `image`, and what may differ from platform to platform."""
    render = _renderer(document, scope)
    values: dict[str, Value] = {}
    for key, node in document.root.entries.items():
        if key == "annotations" and isinstance(node, MapNode):
            values[key] = {**image[key], **_annotations(node, render, for_platform=True)}
        else:
            values[key] = evaluate(node, (key,), render) if key in PLATFORM_KEYS else image[key]
    return values


def render_text(document: Document, scope: Scope, text: str, *, is_file: bool = False) -> str:
    """`text` rendered within the budget of the document. TemplateError where it cannot be."""
    from ocibuild.spec import templates

    return templates.render(text, scope, document.budget, is_file=is_file)


def complain(document: Document, path: Path, error: TemplateError | OcibuildError) -> None:
    """Enters what a template at `path` raised, at the part of it that is meant."""
    document.broken.add(path)
    if isinstance(error, OcibuildError):
        document.ledger.add("spec-template-failed", error.what, document.place(path), error.hint)
    else:
        complain_in(document.ledger, span_of(document.root, path), error)


def complain_in(ledger: Ledger, within: Span, error: TemplateError) -> None:
    """Enters `error`, and what was met with it, at their places within a part of a source."""
    for one in (error, *error.further):
        if not one.silent:
            ledger.add(one.rule, one.message, locate(within, one).place, one.hint)


def locate(within: Span, fault: TemplateError) -> Span:
    """The part of `within` that `fault` means: the name, else the first expression, else all of it."""
    text = within.text
    name = re.escape(fault.needle or "").replace(r"\.", r"\s*\.\s*")
    pattern = rf"(?<![\w.]){name}(?!\w)" if name[:1].isalpha() or name[:1] == "_" else name
    for expression in re.finditer(r"\{[{%].*?(?:[}%]\}|\Z)", text, re.DOTALL):
        match = re.compile(pattern).search(text, expression.start(), expression.end()) if name else expression
        if match:
            return within.source.span(within.start + match.start(), within.start + match.end())
    return within


def _as_written(node: ScalarNode, path: Path) -> str:  # noqa: ARG001 - the shape of a renderer
    return node.text


def _tag_renderer(render: Callable[[ScalarNode, Path], str]) -> Callable[[ScalarNode, Path], str]:
    """Leaves tag rules as they are, since `{{version}}` may be the rule's own."""
    return lambda node, path: node.text if len(path) > 2 or is_rule(node.text) else render(node, path)


def _renderer(document: Document, scope: Scope) -> Callable[[ScalarNode, Path], str]:
    def render(node: ScalarNode, path: Path) -> str:
        try:
            return render_text(document, scope, node.text)
        except (TemplateError, OcibuildError) as error:
            complain(document, path, error)
            return node.text

    return render


def _annotations(node: MapNode, render: Callable[[ScalarNode, Path], str], *, for_platform: bool) -> dict[str, Value]:
    return {
        level: evaluate(value, ("annotations", level), render)
        for level, value in node.entries.items()
        if (level in PLATFORM_ANNOTATIONS) == for_platform
    }
