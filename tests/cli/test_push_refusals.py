"""What no registry would take is refused before the first request: exit 1, a finding, and a recorder that saw nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import Recorder

OCI = "application/vnd.oci.image"
NAME = "registry.example/team/app"
SPEC = f"apiVersion: ocibuild/v1\nimage: {NAME}\ntags: ['1']\nlayers: [{{files: [{{text: a, to: /a}}]}}]\n"


class CraftedLayout:
    """An OCI layout written by hand, so that its documents may say anything."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "blobs/sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, document: Mapping[str, Any], media_type: str) -> dict[str, Any]:
        """Stores a document and gives its descriptor."""
        raw = json.dumps(document).encode()
        digest = hashlib.sha256(raw).hexdigest()
        (self.directory / "blobs/sha256" / digest).write_bytes(raw)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}

    def name(self, descriptor: Mapping[str, Any]) -> None:
        """Gives the image the name under which `build` would have stored the project's."""
        names = {"org.opencontainers.image.ref.name": f"{NAME}:1"}
        index = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.index.v1+json",
            "manifests": [{**descriptor, "annotations": names}],
        }
        (self.directory / "index.json").write_text(json.dumps(index))

    def image(
        self, *layers: Mapping[str, Any], config: Mapping[str, Any] | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Stores config and manifest of an image with these layers, and gives its descriptor."""
        document = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'2' * 64}" for _ in layers]},
            "history": [{"created": "1970-01-01T00:00:00Z"} for _ in layers],
            **(config or {}),
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.put(document, f"{OCI}.config.v1+json"),
            "layers": list(layers),
            **fields,
        }
        return self.put(manifest, f"{OCI}.manifest.v1+json")


def layer(size: int, *, foreign: bool = False, **fields: Any) -> dict[str, Any]:
    kind = "layer.nondistributable" if foreign else "layer"
    return {"mediaType": f"{OCI}.{kind}.v1.tar+gzip", "digest": f"sha256:{'1' * 64}", "size": size, **fields}


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CraftedLayout:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    monkeypatch.chdir(tmp_path)
    return CraftedLayout(tmp_path / ".ocibuild/layout")


def refused(cli: Cli, recorder: Recorder, rule: str) -> str:
    """What `push` says of the crafted image; nothing of it has reached the registry."""
    done = cli("push", f"{recorder.host}/team/app:1")
    assert (done.status, done.stdout) == (1, "")
    assert f"[{rule}]" in done.stderr
    assert "  hint: " in done.stderr
    recorder.assert_untouched()
    return done.stderr


def test_a_layer_of_more_than_ten_gigabytes(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    layout.name(layout.image(layer(10**10 + 1)))
    said = refused(cli, recorder, "layer-too-large")
    assert "10,000,000,001 bytes" in said


def test_a_foreign_layer_that_nobody_could_fetch(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    layout.name(layout.image(layer(1, foreign=True)))
    refused(cli, recorder, "foreign-layer-without-urls")


def test_a_description_and_licenses_that_are_too_long(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    key = "org.opencontainers.image"
    texts = {f"{key}.description": "d" * 513, f"{key}.licenses": "l" * 257}
    layout.name(layout.image(layer(1), annotations=texts))
    said = refused(cli, recorder, "description-too-long")
    assert "[licenses-too-long]" in said


def test_a_config_without_a_platform(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    layout.name(layout.image(layer(1), config={"os": "", "architecture": ""}))
    refused(cli, recorder, "missing-platform")


def test_an_index_without_platforms(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [layout.image(layer(1))]}
    layout.name(layout.put(index, f"{OCI}.index.v1+json"))
    refused(cli, recorder, "missing-platform")


def test_all_findings_are_shown_and_each_once(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    layout.name(layout.image(layer(10**10 + 1), layer(1, foreign=True)))
    said = refused(cli, recorder, "layer-too-large")
    assert said.count("error: ") == 2
    assert said.count("[foreign-layer-without-urls]") == 1
    assert said.splitlines()[-1].endswith("is not pushed: the image breaks the rules of profile generic")


def test_the_profile_follows_the_host_or_the_option(cli: Cli, layout: CraftedLayout, recorder: Recorder) -> None:
    layout.name(layout.image(layer(10**10 + 1)))
    assert "profile ghcr" in cli("push", "--profile", "ghcr", f"{recorder.host}/team/app:1").stderr
    assert "profile ghcr" in cli("push", "ghcr.io/team/app:1").stderr
    recorder.assert_untouched()
