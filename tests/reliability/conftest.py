from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.mortal import Mortal


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    """Runs jobs that die or meet faults."""
    with Mortal() as mortal:
        yield mortal
