"""Settings and annotations as text by name, and images side by side."""

from __future__ import annotations

from typing import Any

import pytest

from ocibuild.differences import settings_of
from ocibuild.oci.codec import encode
from ocibuild.oci.documents import parse_config

PLAIN = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}


def settings(**document: Any) -> dict[str, str]:
    config = parse_config(encode({**PLAIN, **document}), subject="config")
    return {key: value for key, value in settings_of(config, times=False).items() if key not in PLAIN}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"config": {"Env": ["A=1", "B=x=y", "C"]}}, {"config.Env.A": "1", "config.Env.B": "x=y", "config.Env.C": ""}),
        ({"config": {"Cmd": ["a", "b"]}}, {"config.Cmd": '["a", "b"]'}),
        ({"config": {"Labels": {"a.b": "c"}}}, {"config.Labels.a.b": "c"}),
        ({"config": {"ExposedPorts": {"80/tcp": {}}}}, {"config.ExposedPorts.80/tcp": "{}"}),
        ({"config": {"User": "", "Cmd": None, "Labels": {}}}, {}),
        ({"config": None}, {}),
        ({"created": "2001-01-01T00:00:00Z", "author": "me"}, {"author": "me"}),
        (
            {"history": [{"created": "2001-01-01T00:00:00Z", "created_by": "a"}, {"empty_layer": True}]},
            {"history.0.created_by": "a", "history.1.empty_layer": "true"},
        ),
    ],
)
def test_settings_by_name(document: dict[str, Any], expected: dict[str, str]) -> None:
    assert settings(**document) == expected
