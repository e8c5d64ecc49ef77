"""`matrix`: lists of values for variables; the document is an image for each combination of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ocibuild.spec.document import Document
from ocibuild.spec.nodes import ListNode, MapNode, ScalarNode
from ocibuild.spec.values import is_template

COMBINATION_LIMIT = 256
_RULE, _KEY = "spec-matrix", "matrix"


def combinations(document: Document, sets: Mapping[str, str]) -> Iterator[Document]:
    """The document once for each combination of values, those of the last variable changing fastest.

    `sets` (--set) gives a variable of the matrix one value in place of its list.
    """
    lists = {name: values for name, values in _lists(document) if values}
    lists |= {name: (sets[name],) for name in matrix_names(document) if name in sets}
    number = 1
    for values in lists.values():
        number *= len(values)
    if number > COMBINATION_LIMIT:
        message = f"the lists of `matrix` make {number} images, and {COMBINATION_LIMIT} is the limit"
        document.ledger.add(_RULE, message, document.key_place((_KEY,)), "split it over several documents")
        lists = {name: values[:1] for name, values in lists.items()}
    for chosen in itertools.product(*lists.values()):
        matrix = dict(zip(lists, chosen, strict=True))
        yield replace(document, matrix=matrix, budget=type(document.budget)(), broken=set(document.broken), read=set())


def matrix_names(document: Document) -> tuple[str, ...]:
    """The variables that the matrix gives values."""
    node = document.root.entries.get(_KEY)
    return tuple(node.entries) if isinstance(node, MapNode) else ()


def _lists(document: Document) -> Iterator[tuple[str, tuple[str, ...]]]:
    # What is not a list of texts is the schema's to complain of.
    for name in matrix_names(document):
        node = document.root.entries[_KEY]
        values = node.entries[name] if isinstance(node, MapNode) else None
        if isinstance(values, ListNode):
            yield name, tuple(_texts(document, name, values))


def _texts(document: Document, name: str, values: ListNode) -> Iterator[str]:
    seen: set[str] = set()
    for index, value in enumerate(values.items):
        if not isinstance(value, ScalarNode) or value.is_nothing:
            continue
        place = document.place((_KEY, name, index))
        if is_template(value.text):
            message = "values of `matrix` are taken as written: templates use them, and are none"
            document.ledger.add(_RULE, message, place, "write the values themselves")
        elif value.text in seen:
            document.ledger.add(_RULE, f"{value.text} is here a second time", place, "keep one of the two")
        else:
            seen.add(value.text)
            yield value.text
