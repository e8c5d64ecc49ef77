"""Configs, manifests and indexes: what is merged from a base, what each format says, and the exact bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocibuild.errors import BuildError, IntegrityError
from ocibuild.image import BaseImage, PlatformImage, assemble, assemble_index, layer_names
from ocibuild.oci.digest import sha256
from ocibuild.oci.documents import Manifest, parse_config, parse_document
from ocibuild.oci.media_type import (
    DOCKER_CONFIG,
    DOCKER_FOREIGN_LAYER,
    DOCKER_INDEX,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_FOREIGN_LAYER,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Format,
)
from ocibuild.oci.platform import Platform, parse_platform
from ocibuild.plan import BuiltLayer, Healthcheck, PlatformPlan, Settings, Unset
from tests.image.documents import AMD64, CREATED, base, built, layer, plan, windows


def assembled(
    *layers: BuiltLayer,
    on: BaseImage | None = None,
    family: Format = Format.OCI,
    platform: Platform = AMD64,
    **part: Any,
) -> PlatformImage:
    wanted = PlatformPlan(platform, (), **part)
    return assemble(plan(wanted, format=family), wanted, layers, on)


def config(image: PlatformImage) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image.config)
    return document


def settings(on: dict[str, Any] | None = None, **part: Any) -> dict[str, Any]:
    """The `config` object over a base with that one."""
    found: dict[str, Any] = config(assembled(on=None if on is None else base(on), **part))["config"]
    return found


def manifest(image: PlatformImage) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image.manifest)
    return document


# --- settings


def test_a_config_from_nothing_says_what_is_said_and_no_more() -> None:
    assert settings() == {}
    everything = Settings(
        entrypoint=("/app",),
        cmd=("--help",),
        env=(("B", "2"), ("A", "1=2")),
        workdir="/srv",
        user="65532:65532",
        ports=("8080/tcp",),
        volumes=("/data",),
        stop_signal="SIGTERM",
        healthcheck=Healthcheck(("CMD", "true"), interval=10**9, retries=3),
        shell=("/bin/sh", "-c"),
        onbuild=("RUN x",),
    )
    assert settings(settings=everything, labels=(("l", ""),)) == {
        "Entrypoint": ["/app"],
        "Cmd": ["--help"],
        "Env": ["B=2", "A=1=2"],
        "WorkingDir": "/srv",
        "User": "65532:65532",
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Retries": 3},
        "Shell": ["/bin/sh", "-c"],
        "OnBuild": ["RUN x"],
        "Labels": {"l": ""},
    }


BASE: dict[str, Any] = {
    "Entrypoint": ["/base"],
    "Cmd": ["base"],
    "Env": ["PATH=/bin", "LANG=C", "BARE"],
    "WorkingDir": "/base",
    "User": "1",
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/v": {}},
    "Labels": {"a": "1", "b": "2"},
    "ArgsEscaped": False,
    "Healthcheck": {"Test": ["NONE"]},
}


def test_what_is_not_said_is_the_bases() -> None:
    assert settings(BASE) == BASE


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Settings(entrypoint=("/new",)), {"Entrypoint": ["/new"], "Cmd": None}),
        (Settings(entrypoint=("/new",), cmd=("x",)), {"Entrypoint": ["/new"], "Cmd": ["x"]}),
        (Settings(entrypoint=()), {"Entrypoint": None, "Cmd": None}),
        (Settings(cmd=("x",)), {"Entrypoint": ["/base"], "Cmd": ["x"]}),
        (Settings(cmd=()), {"Entrypoint": ["/base"], "Cmd": None}),
        (Settings(workdir="/new", user="2"), {"WorkingDir": "/new", "User": "2"}),
        (Settings(env=(("NEW", "x"), ("LANG", "de"))), {"Env": ["PATH=/bin", "LANG=de", "BARE", "NEW=x"]}),
        (Settings(env=(("BARE", ""),)), {"Env": ["PATH=/bin", "LANG=C", "BARE="]}),
        (Settings(ports=("53/udp",), volumes=("/w",)), {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/v": {}, "/w": {}}}),
        (Settings(healthcheck=Healthcheck(("CMD", "x"))), {"Healthcheck": {"Test": ["CMD", "x"]}}),
    ],
)  # fmt: skip
def test_what_is_said_merges_adds_up_or_replaces(wanted: Settings, expected: dict[str, Any]) -> None:
    merged = {key: value for key, value in {**BASE, **expected}.items() if value is not None}
    assert settings(BASE, settings=wanted) == merged


def test_labels_merge() -> None:
    assert settings(BASE, labels=(("b", "new"), ("c", "3")))["Labels"] == {"a": "1", "b": "new", "c": "3"}


@pytest.mark.parametrize(
    ("unset", "gone"),
    [
        (Unset(env=("LANG", "BARE", "NONE")), {"Env": ["PATH=/bin"]}),
        (Unset(env=("PATH", "LANG", "BARE")), {"Env": None}),
        (Unset(labels=("a",)), {"Labels": {"b": "2"}}),
        (Unset(fields=("ports", "volumes")), {"ExposedPorts": None, "Volumes": None}),
        (Unset(fields=("cmd",)), {"Cmd": None}),
        (Unset(fields=("entrypoint",)), {"Entrypoint": None}),
    ],
)
def test_unset_takes_away_what_the_base_says(unset: Unset, gone: dict[str, Any]) -> None:
    expected = {key: value for key, value in {**BASE, **gone}.items() if value is not None}
    assert settings(BASE, unset=unset) == expected


def test_unset_comes_before_what_is_set() -> None:
    unset = Unset(env=("LANG",), labels=("a",), fields=("ports", "cmd"))
    wanted = Settings(env=(("LANG", "de"),), ports=("1/tcp",), cmd=("x",))
    found = settings(BASE, unset=unset, settings=wanted, labels=(("a", "new"),))
    assert found["Env"] == ["PATH=/bin", "BARE", "LANG=de"]
    assert (found["ExposedPorts"], found["Cmd"], found["Labels"]) == ({"1/tcp": {}}, ["x"], {"b": "2", "a": "new"})


@pytest.mark.parametrize("empty", [None, [], {}, ""])
def test_what_is_empty_in_the_base_is_absent(empty: object) -> None:
    fields = {"Env": empty, "Cmd": empty} if isinstance(empty, list) else {"Labels": None, "Volumes": None, "User": ""}
    assert settings(fields) == {}


@pytest.mark.parametrize(
    "bad",
    [
        {"Env": "A=b"},
        {"Env": [1]},
        {"Labels": ["a"]},
        {"Labels": {"a": 1}},
        {"Volumes": ["/v"]},
        {"ExposedPorts": "80"},
    ],
)
def test_a_base_whose_settings_are_malformed_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=next(iter(bad))):
        settings(bad)


# --- the config document


def test_unknown_fields_of_the_base_stay_and_stale_ones_go() -> None:
    on = base(
        {"Future": [1]},
        author="them",
        moby={"x": 1},
        container="c0ffee",
        container_config={"Cmd": ["x"]},
        docker_version="1",
        id="1",
        parent="2",
        created="1999-01-01T00:00:00Z",
    )
    found = config(assembled(on=on))
    assert found == {
        "os": "linux",
        "architecture": "amd64",
        "author": "them",
        "moby": {"x": 1},
        "created": CREATED,
        "config": {"Future": [1]},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [],
    }
    assert config(assembled(on=on, settings=Settings(author="us")))["author"] == "us"


def test_diff_ids_and_history_follow_the_layers() -> None:
    under = [layer("x"), layer("y")]
    history = [{"created_by": "RUN x"}, {"created_by": "ENV A", "empty_layer": True}, {"comment": "y"}]
    on = base(layers=under, history=history)
    image = assembled(built("a"), built("b"), on=on)
    found = config(image)
    own = [{"created": CREATED, "created_by": f"ocibuild layer {name}"} for name in "ab"]
    assert found["history"] == [*history, *own]
    plain = [str(built(name).diff_id) for name in "ab"]
    assert found["rootfs"]["diff_ids"] == [*(str(each) for each in on.config.diff_ids), *plain]
    assert [each.digest for each in image.layers] == [each.digest for each in (*under, layer("a"), layer("b"))]


@pytest.mark.parametrize("history", [None, [], [{"created_by": "one"}], [{"empty_layer": True}] * 2, [{}] * 3])
def test_a_history_that_does_not_fit_gives_way_to_one_entry_a_layer(history: list[dict[str, Any]] | None) -> None:
    found = config(assembled(built("a"), on=base(layers=[layer("x"), layer("y")], history=history)))["history"]
    assert [entry["created_by"] for entry in found] == ["base layer 1", "base layer 2", "ocibuild layer a"]


def test_a_base_with_more_layers_than_diff_ids_is_refused() -> None:
    on = base(layers=[layer("x")], rootfs={"type": "layers", "diff_ids": []})
    with pytest.raises(IntegrityError, match="the base has 1 layers but 0 diff_ids") as caught:
        assembled(on=on)
    assert caught.value.where == "ghcr.io/o/base:1"


def test_layer_names_are_found_again_in_the_history() -> None:
    image = assembled(built("a"), built("b"), on=base(layers=[layer("x")]))
    parsed = parse_document(image.manifest, OCI_MANIFEST, subject="m")
    assert isinstance(parsed, Manifest)
    found = layer_names(parsed, parse_config(image.config, subject="c"))
    assert [(descriptor.digest, name) for descriptor, name in found] == [(layer(n).digest, n) for n in "ab"]


# --- platforms


@pytest.mark.parametrize(
    ("wanted", "known", "expected"),
    [
        ("linux/arm64/v8", {"architecture": "arm64"}, {"os": "linux", "architecture": "arm64", "variant": "v8"}),
        ("linux/arm64", {"architecture": "arm64", "variant": "v8"}, {"os": "linux", "architecture": "arm64", "variant": "v8"}),
        ("linux/amd64", {}, {"os": "linux", "architecture": "amd64"}),
    ],
)  # fmt: skip
def test_descriptor_and_config_agree_on_the_platform(
    wanted: str, known: dict[str, Any], expected: dict[str, str]
) -> None:
    image = assembled(on=base(**known), platform=parse_platform(wanted))
    assert image.descriptor.to_json()["platform"] == expected
    found = config(image)
    assert {key: found[key] for key in ("os", "architecture", "variant") if key in found} == expected


@pytest.mark.parametrize("family", Format)
def test_a_windows_base_keeps_its_foreign_layers_and_what_only_windows_says(family: Format) -> None:
    urls = ("https://mcr.example.com/layer",)
    foreign = layer("server", DOCKER_FOREIGN_LAYER + ".gzip", urls=urls)
    known: dict[str, Any] = {"os": "windows", "os.version": "10.0.17763.1", "os.features": ["win32k"]}
    on = base({"ArgsEscaped": True}, [foreign, layer("y", DOCKER_LAYER + ".gzip")], **known)
    image = assembled(built("a"), on=on, family=family, platform=Platform("windows", "amd64"))
    is_oci = family is Format.OCI
    first, second, _ = image.layers
    assert first.media_type == (OCI_FOREIGN_LAYER + "+gzip" if is_oci else DOCKER_FOREIGN_LAYER + ".gzip")
    assert (first.urls, first.digest, first.size) == (urls, foreign.digest, foreign.size)
    assert second.media_type == (OCI_LAYER + "+gzip" if is_oci else DOCKER_LAYER + ".gzip")
    assert image.descriptor.platform == windows()
    found = config(image)
    assert (found["os.version"], found["os.features"]) == ("10.0.17763.1", ["win32k"])
    assert found["config"]["ArgsEscaped"] is True


# --- formats


def test_the_oci_format() -> None:
    image = assembled(built("a"), built("z", f"{OCI_LAYER}+zstd"), built("t", OCI_LAYER), annotations=(("k", "v"),))
    document = manifest(image)
    assert document["mediaType"] == image.descriptor.media_type == OCI_MANIFEST
    assert document["config"]["mediaType"] == image.config_descriptor.media_type == OCI_CONFIG
    types = [f"{OCI_LAYER}+gzip", f"{OCI_LAYER}+zstd", OCI_LAYER]
    assert [each["mediaType"] for each in document["layers"]] == types
    assert document["annotations"] == {"k": "v"}


def test_the_docker_format_relabels_and_keeps_every_blob() -> None:
    on = base(layers=[layer("x"), layer("y", DOCKER_LAYER + ".gzip")])
    image = assembled(built("a"), on=on, family=Format.DOCKER)
    document = manifest(image)
    assert document["mediaType"] == image.descriptor.media_type == DOCKER_MANIFEST
    assert document["config"]["mediaType"] == DOCKER_CONFIG
    assert {each["mediaType"] for each in document["layers"]} == {DOCKER_LAYER + ".gzip"}
    assert [each["digest"] for each in document["layers"]] == [str(layer(name).digest) for name in "xya"]
    assert document.keys() == {"schemaVersion", "mediaType", "config", "layers"}


@pytest.mark.parametrize("media_type", [f"{OCI_LAYER}+zstd", OCI_LAYER])
@pytest.mark.parametrize("is_base", [False, True])
def test_what_docker_has_no_media_type_for_is_refused(media_type: str, is_base: bool) -> None:
    own = () if is_base else (built("a", media_type),)
    with pytest.raises(BuildError, match="docker format cannot carry") as caught:
        assembled(*own, on=base(layers=[layer("x", media_type)]) if is_base else None, family=Format.DOCKER)
    assert caught.value.hint


@pytest.mark.parametrize("field", ["annotations", "descriptor_annotations"])
def test_annotations_are_not_dropped_from_the_docker_format(field: str) -> None:
    said: dict[str, Any] = {field: (("k", "v"),)}
    with pytest.raises(BuildError, match="cannot carry annotations such as 'k'"):
        assembled(family=Format.DOCKER, **said)
    part = PlatformPlan(AMD64, ())
    for level in ("index_annotations", "index_descriptor_annotations"):
        with pytest.raises(BuildError, match="cannot carry annotations"):
            assemble(plan(part, format=Format.DOCKER, **{level: (("k", "v"),)}), part, (), None)


def test_annotations_on_layers_of_the_base_stay_or_are_refused() -> None:
    on = base(layers=[layer("x", annotations={"containerd.io/snapshot/stargz/toc.digest": "sha256:0"})])
    assert assembled(on=on).layers[0].annotations
    with pytest.raises(BuildError, match="has annotations") as caught:
        assembled(on=on, family=Format.DOCKER)
    assert caught.value.hint == "use `format: oci`"


def test_a_layer_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BuildError, match="unknown kind application/x-squashfs"):
        assembled(on=base(layers=[layer("x", "application/x-squashfs")]))


# --- provenance


def test_the_base_is_recorded() -> None:
    on, digest = base(), str(sha256(b"what the name led to"))
    said = {"org.opencontainers.image.base.name": "ghcr.io/o/base:1", "org.opencontainers.image.base.digest": digest}
    assert manifest(assembled(on=on))["annotations"] == said
    assert config(assembled(on=on, family=Format.DOCKER))["config"]["Labels"] == said
    assert "Labels" not in config(assembled(on=on))["config"]
    from_disk = manifest(assembled(on=base(name=None)))["annotations"]
    assert from_disk == {"org.opencontainers.image.base.digest": digest}
    own = (("org.opencontainers.image.base.name", "mine"),)
    assert manifest(assembled(on=on, annotations=own))["annotations"]["org.opencontainers.image.base.name"] == "mine"


def index(bases: list[BaseImage | None], **facts: Any) -> dict[str, Any]:
    platforms = [parse_platform(text) for text in ("linux/amd64", "linux/arm64")]
    parts = [PlatformPlan(each, (), descriptor_annotations=(("d", str(each)),)) for each in platforms]
    if facts.get("format") is Format.DOCKER:
        parts = [PlatformPlan(each, ()) for each in platforms]
    whole = plan(*parts, **facts)
    images = [assemble(whole, part, (), on) for part, on in zip(parts, bases, strict=True)]
    document: dict[str, Any] = json.loads(assemble_index(whole, images, bases))
    assert [each["digest"] for each in document["manifests"]] == [str(image.descriptor.digest) for image in images]
    return document


def test_an_index_names_the_images_in_the_order_of_the_plan() -> None:
    document = index([None, None], index_annotations=(("i", "1"),))
    assert (document["mediaType"], document["annotations"]) == (OCI_INDEX, {"i": "1"})
    assert [each["platform"]["architecture"] for each in document["manifests"]] == ["amd64", "arm64"]
    assert [each["annotations"] for each in document["manifests"]] == [{"d": "linux/amd64"}, {"d": "linux/arm64"}]


def test_a_base_that_all_platforms_share_is_recorded_on_the_index() -> None:
    name = "org.opencontainers.image.base.name"
    assert index([base(), base(architecture="arm64")])["annotations"][name] == "ghcr.io/o/base:1"
    assert "annotations" not in index([base(), base(name="ghcr.io/o/other:1")])
    assert "annotations" not in index([base(), None])


def test_a_manifest_list_has_no_annotations() -> None:
    document = index([base(), base()], format=Format.DOCKER)
    assert document["mediaType"] == DOCKER_INDEX
    assert document.keys() == {"schemaVersion", "mediaType", "manifests"}
    assert {each["mediaType"] for each in document["manifests"]} == {DOCKER_MANIFEST}
    assert all(each.keys() == {"mediaType", "digest", "size", "platform"} for each in document["manifests"])


# --- bytes


def test_documents_are_canonical_to_the_byte() -> None:
    image = assembled(
        built("a"), settings=Settings(env=(("Ü", "<&>"),), cmd=("x",)), annotations=(("z", "1"), ("a", "2"))
    )
    blob, diff_id = layer("a").digest, built("a").diff_id
    assert image.config.decode() == (
        '{"architecture":"amd64","config":{"Cmd":["x"],"Env":["Ü=<&>"]},"created":"2001-09-09T01:46:40Z",'
        '"history":[{"created":"2001-09-09T01:46:40Z","created_by":"ocibuild layer a"}],"os":"linux",'
        f'"rootfs":{{"diff_ids":["{diff_id}"],"type":"layers"}}}}'
    )
    assert image.manifest.decode() == (
        f'{{"annotations":{{"a":"2","z":"1"}},"config":{{"digest":"{sha256(image.config)}",'
        f'"mediaType":"application/vnd.oci.image.config.v1+json","size":{len(image.config)}}},'
        f'"layers":[{{"digest":"{blob}","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":1}}],'
        '"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
    )
    assert (image.descriptor.digest, image.descriptor.size) == (sha256(image.manifest), len(image.manifest))
