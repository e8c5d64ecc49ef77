"""Strategies for JSON: anything at all, and documents that are nearly right."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["\x1b[31m", "../..", "a\nb", "sha256:", "linux", "e30="])
)
anything: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutations(draw: st.DrawFn, document: dict[str, Any]) -> Any:
    """`document` with one to three of its parts, at any depth, replaced by anything or removed."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        container: Any = changed
        while True:
            keys = list(container) if isinstance(container, dict) else list(range(len(container)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = container[key]
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                container = inner
                continue
            if draw(st.integers(0, 3)):
                container[key] = draw(anything)
            else:
                del container[key]
            break
    return changed
