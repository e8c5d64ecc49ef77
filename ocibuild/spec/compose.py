"""YAML text -> nodes, from the parser's events: bounded depth, bounded aliases, no recursion, nothing typed. Import it late.

The events come from libyaml where PyYAML was built with it. Composing them here, not in PyYAML, keeps hostile text from
exhausting the stack or the memory, and keeps the text of scalars as written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from ocibuild.errors import SpecError
from ocibuild.findings import Finding
from ocibuild.spec.ledger import Ledger
from ocibuild.spec.nodes import ListNode, MapNode, Node, ScalarNode
from ocibuild.spec.source import Source, Span

DEPTH_LIMIT = 50
_TOO_DEEP, _TEN_WILL_DO = f"values are nested more than {DEPTH_LIMIT} levels deep", "no spec needs more than ten"
# What aliases may add to a document, in characters and (at 8 a piece) values; specs of 1 MiB have no need of more.
ALIAS_BUDGET = 1 << 20
_VALUE_COST = 8
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(source: Source, ledger: Ledger) -> tuple[Node, ...]:
    """The documents of `source`, empty ones left out. SpecError where it is not YAML, or is YAML that harms.

    What does not stop the reading (a key twice, a tag) goes into `ledger`.
    """
    composer = _Composer(source, ledger)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(source, error) from error
    return tuple(composer.documents)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    span: Span
    anchor: str | None
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_spans: dict[str, Span] = field(default_factory=dict)
    key: ScalarNode | None = None
    cost: int = _VALUE_COST

    @property
    def wants_key(self) -> bool:
        return self.is_map and self.key is None


class _Composer:
    def __init__(self, source: Source, ledger: Ledger) -> None:
        self.documents: list[Node] = []
        self._source, self._ledger = source, ledger
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._alias_cost = 0
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._start_document,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingEndEvent: self._end,
        }

    def take(self, event: Any) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def _start_document(self, _event: Any) -> None:
        self._anchors.clear()

    def _scalar(self, event: Any) -> None:
        self._check_tag(event)
        plain = not event.style and event.tag is None
        node = ScalarNode(event.value, plain, self._span(event))
        self._place(node, _VALUE_COST + len(node.text), event.anchor)

    def _start(self, event: Any) -> None:
        self._check_tag(event)
        if self._stack and self._stack[-1].wants_key:
            raise self._refuse_key(event)
        if len(self._stack) >= DEPTH_LIMIT:
            raise self._refuse("spec-too-deep", _TOO_DEEP, self._span(event), _TEN_WILL_DO)
        self._stack.append(_Open(self._span(event), event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _end(self, event: Any) -> None:
        done = self._stack.pop()
        span = self._source.span(done.span.start, max(done.span.end, event.end_mark.index))
        node = MapNode(done.entries, done.key_spans, span) if done.is_map else ListNode(tuple(done.items), span)
        self._place(node, done.cost, done.anchor)

    def _alias(self, event: Any) -> None:
        name, span = event.anchor, self._span(event)
        if any(frame.anchor == name for frame in self._stack):
            message = f"`*{name}` stands inside the value that it names"
            raise self._refuse("spec-recursive-alias", message, span, "name a value that ends before it")
        if name not in self._anchors:
            raise self._refuse(
                "spec-undefined-alias",
                f"`*{name}` names no value above it",
                span,
                f"put `&{name}` before the value that is meant, or quote the text if it is none",
            )
        if self._stack and self._stack[-1].wants_key:
            raise self._refuse_key(event)
        node, cost = self._anchors[name]
        self._alias_cost += cost
        if self._alias_cost > ALIAS_BUDGET:
            raise self._refuse(
                "spec-alias-expansion", "aliases (`*name`) make this file far too large", span, "use fewer"
            )
        self._place(node, cost, None)

    def _place(self, node: Node, cost: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node, cost
        if not self._stack:
            if not (isinstance(node, ScalarNode) and node.is_nothing):
                self.documents.append(node)
            return
        frame = self._stack[-1]
        frame.cost += cost
        if not frame.is_map:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            self._enter(frame, frame.key, node)
            frame.key = None

    def _key(self, node: Node) -> ScalarNode:
        assert isinstance(node, ScalarNode)
        if node.is_nothing:
            raise self._refuse("spec-key-not-text", "a key is missing here", node.span, "write it before the `:`")
        return node

    def _enter(self, frame: _Open, key: ScalarNode, value: Node) -> None:
        if key.text == "<<" and key.plain:
            hint = "repeat the keys, or use an alias for a whole value"
            self._ledger.add("spec-merge-key", "merge keys (`<<`) are not supported", key.span.place, hint)
        elif key.text in frame.entries:
            line = frame.key_spans[key.text].place.line
            message = f"the key `{key.text}` is here a second time, after line {line}"
            self._ledger.add("spec-duplicate-key", message, key.span.place, "keep one of the two")
        else:
            frame.entries[key.text] = value
            frame.key_spans[key.text] = key.span

    def _check_tag(self, event: Any) -> None:
        if event.tag is None or (isinstance(event, yaml.ScalarEvent) and event.tag in _TEXT_TAGS):
            return
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        hint = "remove it: every value is taken as written, and has the type that its key asks for"
        self._ledger.add("spec-tag", f"the tag `{tag}` is not supported", self._span(event).place, hint)

    def _refuse_key(self, event: Any) -> SpecError:
        text = self._source.text
        if text.startswith("{", event.start_mark.index) and text[: event.start_mark.index].endswith("{"):
            return self._refuse(
                "spec-unquoted-template",
                "a template that begins a value has to be quoted, or YAML takes `{` for a map",
                self._source.span(event.start_mark.index - 1, event.end_mark.index),
                'write "{{ ... }}" with the quotes',
            )
        return self._refuse("spec-key-not-text", "a key has to be text", self._span(event), "quote it if it is text")

    def _refuse(self, rule: str, message: str, span: Span, hint: str | None = None) -> SpecError:
        return SpecError(message, (Finding(rule, message, span.place, hint),))

    def _span(self, event: Any) -> Span:
        return self._source.span(event.start_mark.index, event.end_mark.index)


# libyaml's words -> what they mean for the writer of the file, and how to mend it. The first that fits is used.
_SYNTAX = (
    ("mapping values are not allowed", "a `:` begins a value where none can be", 'quote text that contains ": "'),
    (
        "block sequence entries are not allowed",
        "a list cannot begin on this line",
        "put the first `- ` on its own line",
    ),
    ("could not find expected ':'", "this line is not `key: value`", "add the `:`, or indent the text of a block"),
    ("did not find expected key", "this line does not fit the map it is in", "check its indentation and its quotes"),
    ("did not find expected '-'", "this line does not fit the list above it", "check its indentation"),
    ("did not find expected ',' or ']'", "this list in [ ] has no end", "close it with `]`, and put `,` between items"),
    (
        "did not find expected ',' or '}'",
        "this map in { } has no end",
        "close it with `}`, and put `,` between entries",
    ),
    ("unexpected end of stream", "this text in quotes has no end", "close it with the same quote"),
    ("unexpected document indicator", "this text in quotes has no end", "close it with the same quote"),
    ("expected alphabetic or numeric", "`*` and `&` begin the name of an alias, and none follows", "quote the text"),
    ("unknown escape character", "this escape does not exist", "write `\\\\` for a backslash, or use single quotes"),
    ("did not find expected node content", "a value is missing here", 'write one, "" for empty text'),
    ("violates indentation", "a tab indents this line", "indent with spaces: YAML allows no tabs there"),
    ("found unexpected ':'", "a `:` stands where no key is", "quote the text that it belongs to"),
    ("comment or line break", "text follows the `|` or `>` that begins a block", "begin the text on the next line"),
    ("directive name", "a line that begins with `%` is a directive of YAML", "quote the text, or indent it"),
    ("did not find expected <document start>", "another document begins here", "separate documents with a line `---`"),
)
_OPENED = ("',' or", "end of stream", "document indicator")  # the place that helps is where it was opened


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> SpecError:
    problem = error.problem or "unknown problem"
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(part in problem for part in _OPENED):
        mark = error.context_mark
    offset = mark.index if mark is not None else 0
    if "nesting depth" in problem:  # newer parsers look ahead, and have a limit of their own
        return SpecError(
            _TOO_DEEP, (Finding("spec-too-deep", _TOO_DEEP, source.span(offset, offset + 1).place, _TEN_WILL_DO),)
        )
    message, hint = _in_our_words(problem, source.text[offset : offset + 1])
    finding = Finding("spec-yaml-syntax", message, source.span(offset, offset + 1).place, hint)
    return SpecError(message, (finding,))


def _in_our_words(problem: str, character: str) -> tuple[str, str]:
    if "cannot start any token" in problem:
        if character == "\t":
            return "a tab indents this line", "indent with spaces: YAML allows no tabs there"
        return f"no value can begin with `{character}`", "put quotes around the text"
    for words, message, hint in _SYNTAX:
        if words in problem:
            return message, hint
    return f"this is not YAML: {problem}", "quote text that has characters of YAML in it"
