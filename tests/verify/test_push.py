"""What the documents of an image show is refused by a push, before any request; what only its bytes show is not looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.checks.catalogue import RULES
from ocibuild.checks.rule import Scope
from ocibuild.errors import FindingsError
from ocibuild.findings import Severity
from ocibuild.oci.location import LayoutLocation
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.credentials import ANONYMOUS
from tests.fake_registry import FakeRegistry
from tests.verify.layouts import layout_of
from tests.verify.test_rules import DESCRIBED

OF_DOCUMENTS = {rule.id: rule.severity for rule in RULES if Scope.IMAGE in rule.scopes and rule.id in DESCRIBED}


@pytest.mark.parametrize("rule", OF_DOCUMENTS)
def test_a_push_refuses_errors_and_lets_warnings_pass(rule: str, tmp_path: Path) -> None:
    layout_of(DESCRIBED[rule]).write(tmp_path)
    with FakeRegistry() as registry, api.Places(api.Settings(credentials=lambda _: ANONYMOUS)) as places:
        reader = places.reader(LayoutLocation(str(tmp_path)))
        target = [parse_reference(f"{registry.host}/team/app:v1")]
        if OF_DOCUMENTS[rule] is Severity.ERROR:
            with pytest.raises(FindingsError) as caught:
                api.push(reader.resolve(None), reader, target, places)
            assert [finding.rule for finding in caught.value.findings] == [rule]
            assert registry.requests() == []
        elif rule != "index-child-unknown":  # which no registry would take
            api.push(reader.resolve(None), reader, target, places)
            assert registry.tags("team/app") != {}
