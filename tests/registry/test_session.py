"""Opening and closing; what the package costs before it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocibuild.errors import UsageError
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.session import Registries
from ocibuild.registry.settings import Settings
from tests.registry.support import Session


def test_names_give_the_same_repository_each_time(session: Session) -> None:
    registries = session.registries
    one, other = (registries.repository(parse_reference(f"ghcr.io/octo/app{end}")) for end in (":1", ":2"))
    assert one is other
    assert registries.repository(parse_reference("ghcr.io/octo/other")) is not one


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    for settings in (Settings(ca_file=str(file)), Settings(client_cert=(str(file), None))):
        with pytest.raises(UsageError, match="certificate cannot be used") as caught:
            Registries(settings)
        assert caught.value.where == str(file)


def test_settings_and_credentials_do_not_cost_a_network_stack() -> None:
    modules = "ocibuild.registry.settings, ocibuild.registry.credentials"
    program = f"import sys, {modules}; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
