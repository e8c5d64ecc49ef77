"""stdout is data: one line, one document or one table, with nothing else in it; stderr is for people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import FakeRegistry, image_of, index_of
from tests.oracles.layouts import read_layout

SHA = "sha256:"


def test_init_prints_the_path_and_says_the_next_two_commands(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("init")
    assert (done.status, done.stdout) == (0, "ocibuild.yaml\n")
    assert done.stderr == "Next: change `image` and `layers`, then\n  ocibuild build\n  ocibuild push\n"
    assert (tmp_path / "ocibuild.yaml").read_text().startswith("# yaml-language-server: $schema=")
    assert cli("build").status == 0


def test_init_elsewhere_names_the_file_in_the_commands(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "\n  ocibuild build -f 'my image.yaml'\n" in cli("init", "my image.yaml").stderr


def test_init_never_overwrites(cli: Cli, project: Path) -> None:
    before = (project / "ocibuild.yaml").read_text()
    done = cli("init")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr == "error: ocibuild.yaml is there already\n  hint: name another file: ocibuild init PATH\n"
    assert (project / "ocibuild.yaml").read_text() == before


def test_init_in_a_directory_that_is_missing_says_how_to_make_it(cli: Cli, project: Path) -> None:
    done = cli("init", "new images/x.yaml")
    assert (done.status, done.stdout) == (3, "")
    assert done.stderr.endswith("\n  hint: make its directory first: mkdir -p 'new images'\n")


def test_build_prints_name_and_digest(cli: Cli, project: Path) -> None:
    done = cli("build")
    assert done.status == 0
    (image, *_) = read_layout(project / ".ocibuild/layout")
    index = json.loads((project / ".ocibuild/layout/index.json").read_bytes())["manifests"][0]
    assert done.stdout == f"registry.example/team/app@{index['digest']}\n"
    assert "layer    app" in done.stderr
    assert image.platform == "linux/amd64"


def test_build_prints_the_digest_alone_where_the_spec_names_no_image(cli: Cli, project: Path) -> None:
    write_tree(project, {"bare.yaml": "apiVersion: ocibuild/v1\nlayers: [{files: [{text: a, to: /a}]}]\n"})
    assert cli("build", "-f", "bare.yaml").stdout.startswith(SHA)


def test_build_prints_a_line_an_image(cli: Cli, project: Path) -> None:
    other = "apiVersion: ocibuild/v1\nimage: registry.example/team/other\nlayers: [{files: [{text: a, to: /a}]}]\n"
    write_tree(project, {"other.yaml": other})
    lines = cli("build", "-f", "ocibuild.yaml", "-f", "other.yaml").stdout.splitlines()
    assert [line.partition("@")[0] for line in lines] == ["registry.example/team/app", "registry.example/team/other"]


def test_build_as_json(cli: Cli, project: Path) -> None:
    document = cli("build", "--json").json
    assert document.keys() == {"schemaVersion", "images"}
    assert document["schemaVersion"] == 1
    (image,) = document["images"]
    assert image.keys() == {"name", "tags", "digest", "mediaType", "size", "platforms"}
    assert (image["name"], image["tags"]) == ("registry.example/team/app", ["1.0", "latest"])
    for part in image["platforms"]:
        assert part.keys() == {"platform", "digest", "config", "layers"}
        assert part["layers"][0].keys() >= {"mediaType", "digest", "size"}


def test_quiet_leaves_the_result_only(cli: Cli, project: Path) -> None:
    done = cli("build", "-q")
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_the_metadata_file_has_the_keys_that_buildx_users_know(cli: Cli, project: Path) -> None:
    digest = cli("build", "--metadata-file", "built.json").digest
    document = json.loads((project / "built.json").read_bytes())
    assert document["containerimage.digest"] == digest
    assert document["containerimage.descriptor"]["digest"] == digest
    assert document["image.name"] == "registry.example/team/app:1.0,registry.example/team/app:latest"
    assert {"ocibuild.version", "ocibuild.writer", "ocibuild.compressors", "ocibuild.platforms"} <= document.keys()
    assert "containerimage.config.digest" not in document
    cli("build", "--platform", "linux/amd64", "--metadata-file", "built.json")
    assert json.loads((project / "built.json").read_bytes())["containerimage.config.digest"].startswith(SHA)


def test_the_metadata_file_tells_what_was_built_even_if_the_push_failed(cli: Cli, project: Path) -> None:
    nobody = "127.0.0.1:9/team/app:1"
    done = cli("build", "--push", "-t", nobody, "--metadata-file", "built.json")
    assert done.status == 4
    assert done.stdout == ""
    assert json.loads((project / "built.json").read_bytes())["containerimage.digest"].startswith(SHA)


def test_push_prints_a_line_a_destination(cli: Cli, built: str, fake_registry: FakeRegistry) -> None:
    done = cli(
        "push", f"{fake_registry.host}/a/app:1", f"{fake_registry.host}/b/app:1", f"{fake_registry.host}/a/app:2"
    )
    assert done.status == 0, done.stderr
    assert done.stdout == f"{fake_registry.host}/a/app@{built}\n{fake_registry.host}/b/app@{built}\n"
    assert fake_registry.tags("a/app") == {"1": built, "2": built}


def test_push_as_json(cli: Cli, built: str, fake_registry: FakeRegistry) -> None:
    document = cli("push", "--json", f"{fake_registry.host}/a/app:1").json
    (pushed,) = document["pushed"]
    assert {"name", "digest", "tags", "sentBytes", "blobs"} <= pushed.keys()
    assert (pushed["name"], pushed["digest"], pushed["tags"]) == (f"{fake_registry.host}/a/app", built, ["1"])
    assert pushed["sentBytes"] == sum(blob["size"] for blob in pushed["blobs"] if blob["outcome"] == "sent") > 0
    assert {"digest", "size", "outcome"} <= pushed["blobs"][0].keys()


def test_build_and_push_at_once(cli: Cli, project: Path, fake_registry: FakeRegistry) -> None:
    done = cli("build", "--push", "-t", f"{fake_registry.host}/a/app:1", "--json")
    assert done.status == 0, done.stderr
    document = done.json
    assert document["pushed"][0]["digest"] == document["images"][0]["digest"]


def test_a_second_push_sends_nothing(cli: Cli, built: str, fake_registry: FakeRegistry) -> None:
    destination = f"{fake_registry.host}/a/app:1"
    assert cli("push", destination).status == 0
    again = cli("push", "--json", destination).json["pushed"][0]
    assert again["sentBytes"] == 0
    assert {blob["outcome"] for blob in again["blobs"]} == {"exists"}


def test_a_dry_run_writes_nothing(cli: Cli, built: str, fake_registry: FakeRegistry) -> None:
    done = cli("push", "--dry-run", f"{fake_registry.host}/a/app:1")
    assert done.status == 0, done.stderr
    assert f"{fake_registry.host}/a/app@{built}" in done.stdout
    assert not [record for record in fake_registry.requests() if record.method not in ("GET", "HEAD")]
    told = [line.split("B  ", 1)[1] for line in done.stdout.splitlines() if "sha256:" in line and "B  " in line]
    parts = {f"{part} ({platform})" if part == "layer app" else f"{part} {platform}"
             for platform in ("linux/amd64", "linux/arm64") for part in ("config", "layer app", "manifest")}  # fmt: skip
    assert parts | {"manifest index"} == set(told)
    plan = cli("plan", "--json", f"{fake_registry.host}/a/app:1").json["plans"][0]
    assert plan["digest"] == built
    assert {"name", "blobs", "manifests", "tags", "uploadBytes", "requests", "seconds", "findings"} <= plan.keys()


@pytest.mark.parametrize("command", [["plan"], ["push", "--dry-run"]])
def test_a_plan_of_several_images_ends_with_their_total(
    cli: Cli, project: Path, fake_registry: FakeRegistry, command: list[str]
) -> None:
    spec = """\
apiVersion: ocibuild/v1
image: {host}/team/{name}
tags: [{tags}]
layers: [{{files: [{{text: hello, to: "/{name}"}}]}}]
"""
    of = {"one": "1", "two": "2, latest", "three": "1, 3"}
    for name, tags in of.items():
        (project / f"{name}.yaml").write_text(spec.format(host=fake_registry.host, name=name, tags=tags))
    files = [f"--file={name}.yaml" for name in of]
    assert cli("build", "-q", *files).status == 0
    assert cli("push", files[0]).status == 0
    assert cli("push", files[1], f"{fake_registry.host}/team/three:3").status == 0
    lines = cli(*command, *files).stdout.splitlines()
    costs = [re.search(r"([0-9]+) requests", line) for line in lines if " to send in " in line]
    *each, total = [int(found[1]) for found in costs if found]
    assert (len(each), sum(each)) == (3, total)
    assert lines[-1].startswith("3 images: ")
    assert lines[-1].endswith("; 3 tags to make, 1 to move")


@pytest.mark.parametrize("repositories", [["a"], ["a", "b"]])
def test_a_plan_of_one_image_has_no_total(
    cli: Cli, built: str, fake_registry: FakeRegistry, repositories: list[str]
) -> None:
    del built
    lines = cli("plan", *(f"{fake_registry.host}/{name}/app:1" for name in repositories)).stdout.splitlines()
    assert sum(" to send in " in line for line in lines) == len(repositories)
    assert lines[-1].startswith("  ")


def test_pull_prints_name_and_digest(cli: Cli, project: Path, fake_registry: FakeRegistry) -> None:
    digest = fake_registry.add_image("a/app", index_of(image_of()), "1")
    done = cli("pull", "-o", "oci:got", f"{fake_registry.host}/a/app:1")
    assert (done.status, done.stdout) == (0, f"{fake_registry.host}/a/app@{digest}\n")
    assert "fetched" in done.stderr
    assert read_layout(project / "got")


def test_copy_prints_where_the_image_is(cli: Cli, built: str, project: Path, fake_registry: FakeRegistry) -> None:
    to_registry = cli("copy", "oci:.ocibuild/layout:1.0", f"{fake_registry.host}/a/app:1")
    assert to_registry.stdout == f"{fake_registry.host}/a/app@{built}\n"
    assert cli("copy", f"{fake_registry.host}/a/app:1", "oci:there:x").stdout == f"{built}\n"


def test_inspect_in_its_four_forms(cli: Cli, built: str, project: Path) -> None:
    name = "oci:.ocibuild/layout:1.0"
    text = cli("inspect", name)
    assert text.stderr == ""
    for line in (f"Digest:     {built}", "  Platform:   linux/arm64", "  org.opencontainers.image.licenses: MIT"):
        assert f"\n{line}\n" in text.stdout
    assert "\n      by ocibuild layer app\n" in text.stdout
    document = cli("inspect", "--json", name).json
    assert document.keys() == {"schemaVersion", "name", "digest", "mediaType", "annotations", "images"}
    assert document["digest"] == built
    keys = {"digest", "mediaType", "platform", "annotations", "descriptorAnnotations", "config", "layers", "size"}
    assert all(image.keys() == keys for image in document["images"])
    blobs = project / ".ocibuild/layout/blobs/sha256"
    assert cli("inspect", "--raw", name).stdout == (blobs / built.removeprefix(SHA)).read_text()
    config = json.loads(cli("inspect", "--config", "--platform", "linux/arm64", name).stdout)
    assert config["architecture"] == "arm64"


def test_the_config_of_an_index_needs_a_platform(cli: Cli, built: str) -> None:
    done = cli("inspect", "--config", "oci:.ocibuild/layout:1.0")
    assert (done.status, done.stdout) == (2, "")
    assert "choose a platform with --platform: linux/amd64, linux/arm64" in done.stderr


def test_ls_shows_a_layout_as_a_table_and_a_repository_as_lines(
    cli: Cli, built: str, fake_registry: FakeRegistry
) -> None:
    lines = cli("ls").stdout.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "DIGEST", "PLATFORM"]
    assert [line.split() for line in lines[1:]] == [
        ["registry.example/team/app", tag, built, "linux/amd64,linux/arm64"] for tag in ("1.0", "latest")
    ]
    image = cli("ls", "--json").json["images"][0]
    assert image.keys() == {"name", "tag", "digest", "mediaType", "platforms"}
    fake_registry.add_image("a/app", image_of(), "2", "10", "1")
    assert cli("ls", f"{fake_registry.host}/a/app").stdout == "1\n10\n2\n"
    assert cli("ls", "--json", f"{fake_registry.host}/a/app").json["tags"] == ["1", "10", "2"]


def test_digest_and_tag_print_the_digest(cli: Cli, built: str) -> None:
    assert cli("digest", "oci:.ocibuild/layout:1.0").stdout == f"{built}\n"
    one = cli("digest", "--platform", "linux/arm64", "oci:.ocibuild/layout:1.0").digest
    assert one != built
    assert cli("tag", "oci:.ocibuild/layout:1.0", "stable").stdout == f"{built}\n"
    assert cli("digest", "oci:.ocibuild/layout:stable").digest == built


def test_index_create_prints_where_the_index_is(cli: Cli, project: Path, fake_registry: FakeRegistry) -> None:
    for architecture in ("amd64", "arm64"):
        fake_registry.add_image("a/app", image_of(architecture=architecture), architecture)
    name = f"{fake_registry.host}/a/app"
    done = cli("index", "create", f"{name}:1", f"{name}:amd64", f"{name}:arm64")
    assert done.stdout == f"{name}@{fake_registry.tags('a/app')['1']}\n"


def test_doctor_says_what_works(cli: Cli, fake_registry: FakeRegistry) -> None:
    name = f"{fake_registry.host}/a/app"
    done = cli("doctor", name)
    assert done.status == 0
    assert all(re.match(r"\w+ +(yes|no|\?) ", line) for line in done.stdout.splitlines())
    document = cli("doctor", "--json", name).json
    assert document["name"] == name
    assert {frozenset(probe) for probe in document["probes"]} == {frozenset({"name", "works", "detail", "hint"})}


def test_doctor_finds_a_blob_to_mount_in_an_image_of_several_platforms(cli: Cli, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("a/app", index_of(image_of()), "1")
    told = cli("doctor", f"{fake_registry.host}/a/app:1").stdout
    assert "allowed; 1 tag on the first page" in told
    assert "\nmount        yes  blobs are taken over" in told


def test_render_prints_the_spec_as_it_will_be_built(cli: Cli, project: Path) -> None:
    text = cli("render", "--set", "version=2.5").stdout
    assert "registry.example/team/app" in text
    assert "2.5" in text
    assert "{{" not in text
    specs = cli("render", "--json").json["specs"]
    assert [spec["platforms"] for spec in specs] == [["linux/amd64"], ["linux/arm64"]]


def test_schema_prints_the_schema(cli: Cli) -> None:
    document = json.loads(cli("schema").stdout)
    assert document["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_json_is_ascii_whatever_images_say(cli: Cli, project: Path) -> None:
    assert cli("build", "-q", "--label", "word=blüte \u202e").status == 0
    text = cli("inspect", "--json", "oci:.ocibuild/layout:1.0").stdout
    assert text.isascii()
    assert json.loads(text)["images"][0]["config"]["config"]["Labels"]["word"] == "blüte \u202e"
