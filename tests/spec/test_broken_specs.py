"""One tiny broken spec a defect; what has to be said of it stands below it in the file.

`#: [FILE:]LINE:COLUMN+WIDTH RULE: MESSAGE (HINT)`, where the width is that of the caret.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.errors import SpecError
from ocibuild.findings import Finding
from ocibuild.spec.load import Facts, Overrides, load_plans

FIXTURES = Path(__file__).parent.parent / "fixtures" / "spec"
DEFECTS = sorted(path.stem for path in FIXTURES.glob("*.yaml"))
FACTS = Facts({}, lambda directory: {"commit": "0" * 40, "short_commit": "0" * 7})


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_reported_at_its_place_with_a_way_to_mend_it(
    defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FIXTURES)
    name = f"{defect}.yaml"
    expected = [line.removeprefix("#: ") for line in Path(name).read_text().splitlines() if line.startswith("#: ")]
    with pytest.raises(SpecError) as caught:
        load_plans([Path(name)], Overrides(), FACTS)
    assert [_line(finding, name) for finding in caught.value.findings] == expected
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_excerpt_is_the_line_as_written(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    with pytest.raises(SpecError) as caught:
        load_plans([Path(f"{defect}.yaml")], Overrides(), FACTS)
    for finding in caught.value.findings:
        place = finding.place
        assert place is not None
        if place.line is not None:
            assert place.excerpt == Path(place.file).read_text().splitlines()[place.line - 1]
            assert place.column is not None
            assert 1 <= place.column <= len(place.excerpt) + 1
            assert place.column + place.width <= len(place.excerpt) + 2


def _line(finding: Finding, name: str) -> str:
    place = finding.place
    assert place is not None
    file = "" if place.file == name else f"{place.file}:"
    return f"{file}{place.line}:{place.column}+{place.width} {finding.rule}: {finding.message} ({finding.hint})"
