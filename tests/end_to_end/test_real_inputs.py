"""Real trees, kept in every detail: what is built of them, umoci unpacks, and skopeo and podman get from a registry.

One test a tree, since each step takes seconds and needs the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from tests.cli.program import succeed
from tests.oracles.trees import differences
from tests.peers.clients import Podman, skopeo, umoci
from tests.peers.docker_registry import DockerRegistry
from tests.peers.programs import call, require_root

pytestmark = pytest.mark.peer("umoci", "skopeo", "podman", "docker-registry")

# Level 1: these tests are about content, and compression is most of the time.
SPEC = """\
apiVersion: ocibuild/v1
image: {host}/real/{name}
tags: [v1]
compression: {{type: gzip, level: 1}}
owner: keep
file_mode: keep
dir_mode: keep
mtime: keep
xattrs: keep
layers:
  - name: {name}
    files: [{{copy: {directory}, to: /}}]
"""


# What a shell in the tree is asked, and what is in its answer.
RUNS = {"busybox-root": ("echo $((6 * 7)); id -un", "42\nroot\n"), "debian-root": ("dpkg -l | head", "ii  base-files")}


@dataclass(frozen=True)
class Journey:
    """Where a tree is taken from and through: each step gives what the next one, or the test, needs."""

    tree: Path
    name: str
    registry: DockerRegistry
    directory: Path

    @property
    def layout(self) -> Path:
        return self.directory / "layout"

    @property
    def reference(self) -> str:
        return f"{self.registry.host}/real/{self.name}:v1"

    def build_and_push(self) -> str:
        """The digest that `push` prints."""
        with self._spec() as spec:
            built = succeed("build", "-q", "-f", spec, "-o", f"oci:{self.layout}", cwd=self.directory)
            pushed = succeed("push", "-q", "-f", spec, "-o", f"oci:{self.layout}", cwd=self.directory)
        assert pushed.stdout == built.stdout == f"{self.registry.host}/real/{self.name}@{pushed.digest}\n"
        return pushed.digest

    def unpack(self) -> Path:
        """The root file system, as umoci makes it of the layout."""
        umoci("unpack", "--image", f"{self.layout}:v1", self.directory / "bundle")
        return self.directory / "bundle/rootfs"

    @contextmanager
    def _spec(self) -> Iterator[Path]:
        # A spec sees only what is below its own directory, and this tree is not to be written to: so it stands beside it.
        text = SPEC.format(host=self.registry.host, name=self.name, directory=self.tree.name)
        with NamedTemporaryFile("w", dir=self.tree.parent, prefix="test-", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            yield Path(file.name)


LARGE = [
    pytest.param(name, marks=pytest.mark.corpus) for name in ("debian_root", "python_packages", "javascript_packages")
]


@pytest.fixture(params=["busybox_root", *LARGE])
def journey(request: pytest.FixtureRequest, docker_registry: DockerRegistry, tmp_path: Path) -> Journey:
    require_root()
    tree: Path = request.getfixturevalue(request.param)
    return Journey(tree, request.param.replace("_", "-"), docker_registry, tmp_path)


def test_a_tree_goes_into_an_image_and_comes_out_of_it_unchanged(journey: Journey, podman: Podman) -> None:
    digest = journey.build_and_push()

    inspected = json.loads(skopeo("inspect", f"oci:{journey.layout}:v1").stdout)
    assert inspected["Digest"] == digest
    assert (inspected["Os"], inspected["Architecture"], len(inspected["Layers"])) == ("linux", "amd64", 1)

    root = journey.unpack()
    assert differences(journey.tree, root, mtimes=True) == []
    command, answer = RUNS.get(journey.name, ("", ""))
    if command:
        assert answer in call("chroot", root, "/bin/sh", "-c", command).stdout

    copied = journey.directory / "copied"
    skopeo("copy", f"docker://{journey.reference}", f"oci:{copied}:v1")
    (named,) = json.loads((copied / "index.json").read_bytes())["manifests"]
    assert named["digest"] == digest

    image = podman.pull(journey.reference)
    assert podman("image", "inspect", "--format", "{{.Digest}}", image).stdout.strip() == digest
