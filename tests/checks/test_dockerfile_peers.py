"""Labels out of a Dockerfile are those that a real builder sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocibuild.checks.dockerfile.stages import dockerfile_labels
from ocibuild.checks.profiles import profile_named
from tests.peers.programs import call

FILE = Path(__file__).parents[1] / "fixtures" / "labels.Dockerfile"


@pytest.mark.peer("buildah")
def test_labels_are_those_that_buildah_sets(tmp_path: Path) -> None:
    buildah = [
        "buildah",
        "--root",
        str(tmp_path / "root"),
        "--runroot",
        str(tmp_path / "run"),
        "--storage-driver",
        "vfs",
    ]
    context = tmp_path / "context"
    context.mkdir()

    call(*buildah, "build", "--tag", "labels", "--file", FILE, context)
    config = json.loads(call(*buildah, "inspect", "--type", "image", "labels").stdout)["OCIv1"]["config"]
    built = {key: value for key, value in config["Labels"].items() if not key.startswith("io.buildah.")}
    read = dockerfile_labels(FILE.name, FILE.read_text(), profile_named("generic"))
    assert read is not None
    assert len(built) > 15
    assert {label.key: label.value for label in read.entries} == built
