"""Manifests, indexes and configs from outside (image-spec manifest.md, image-index.md, config.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.errors import IntegrityError, OcibuildError
from ocibuild.oci.codec import MANIFEST_LIMIT, encode
from ocibuild.oci.digest import sha256
from ocibuild.oci.documents import Index, Manifest, parse_config, parse_document
from ocibuild.oci.media_type import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)
from ocibuild.oci.platform import Platform
from tests.oci import messages
from tests.oci.json_values import anything, mutations

SHA = "sha256:" + "0123456789abcdef" * 4


def descriptor(media_type: str, **facts: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": SHA, "size": 7, **facts}


CONFIG, LAYER = descriptor(OCI_CONFIG), descriptor(f"{OCI_LAYER}+gzip")
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
CHILD = descriptor(OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"})
INDEX: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [CHILD]}
IMAGE: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "config": {"Env": ["PATH=/bin"], "Labels": {"a": "b"}},
    "rootfs": {"type": "layers", "diff_ids": [SHA]},
    "history": [{"created_by": "x"}],
}
WINDOWS = {**IMAGE, "os": "windows", "os.version": "10.0.20348.2700", "os.features": ["win32k"], "variant": ""}


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def read(document: Any, media_type: str | None = None) -> Manifest | Index:
    return parse_document(encode(document), media_type, subject="x")


def read_manifest(document: Any, media_type: str | None = None) -> Manifest:
    parsed = read(document, media_type)
    assert isinstance(parsed, Manifest)
    return parsed


def read_index(document: Any, media_type: str | None = None) -> Index:
    parsed = read(document, media_type)
    assert isinstance(parsed, Index)
    return parsed


def refuse(document: Any, media_type: str | None = None, *, match: str = "x") -> None:
    with pytest.raises(IntegrityError, match=match) as caught:
        read(document, media_type)
    messages.check(caught.value)


# The kinds


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_a_manifest_of_either_family(media_type: str) -> None:
    document = {**MANIFEST, "mediaType": media_type}
    for announced in (media_type, None):
        manifest = read_manifest(document, announced)
        assert manifest.media_type == media_type
        assert manifest.config.media_type == OCI_CONFIG
        assert manifest.children == (manifest.config, *manifest.layers)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_an_index_of_either_family(media_type: str) -> None:
    document = {**INDEX, "mediaType": media_type}
    for announced in (media_type, None):
        index = read_index(document, announced)
        assert index.media_type == media_type
        assert index.children == index.manifests
        assert index.manifests[0].platform == Platform("linux", "amd64")


def test_the_bytes_are_kept_and_the_digest_is_of_them() -> None:
    raw = json.dumps(MANIFEST, indent=3).encode() + b"\n"
    manifest = parse_document(raw, OCI_MANIFEST, subject="x")
    assert manifest.raw == raw
    assert manifest.descriptor.digest == sha256(raw)
    assert manifest.descriptor.size == len(raw)
    assert manifest.descriptor.media_type == OCI_MANIFEST


def test_without_a_media_type_the_fields_decide_and_the_family_is_oci() -> None:
    assert read_manifest(without(MANIFEST, "mediaType")).media_type == OCI_MANIFEST
    assert read_index(without(INDEX, "mediaType")).media_type == OCI_INDEX
    assert read_manifest(without(MANIFEST, "mediaType"), DOCKER_MANIFEST).media_type == DOCKER_MANIFEST
    assert read_index({**INDEX, "mediaType": ""}, DOCKER_INDEX).media_type == DOCKER_INDEX


def test_an_artifact() -> None:
    empty = {"mediaType": OCI_EMPTY, "digest": str(sha256(b"{}")), "size": 2, "data": "e30="}
    facts = {"artifactType": "application/vnd.example", "subject": CHILD, "annotations": {"a": "b"}}
    manifest = read_manifest({**MANIFEST, "config": empty, "layers": [empty], **facts})
    assert manifest.artifact_type == "application/vnd.example"
    assert manifest.config.data == b"{}"
    assert manifest.subject is not None
    assert manifest.subject.media_type == OCI_MANIFEST
    assert manifest.annotations == {"a": "b"}


def test_an_index_may_be_empty_nested_or_about_a_subject() -> None:
    assert read_index({**INDEX, "manifests": []}).manifests == ()
    nested = {**INDEX, "manifests": [descriptor(OCI_INDEX), CHILD], "subject": CHILD, "artifactType": "a/b"}
    index = read_index(nested)
    assert [child.media_type for child in index.children] == [OCI_INDEX, OCI_MANIFEST]
    assert index.subject is not None
    assert index.artifact_type == "a/b"


def test_layers_may_be_none_or_of_unknown_types() -> None:
    assert read_manifest({**MANIFEST, "layers": []}).layers == ()
    assert read_manifest(without(MANIFEST, "layers")).layers == ()
    strange = descriptor("application/x.unheard-of", newField=[1])
    manifest = read_manifest({**MANIFEST, "config": strange, "layers": [strange, strange], "newField": {"a": 1}})
    assert [layer.media_type for layer in manifest.layers] == ["application/x.unheard-of"] * 2


def test_null_fields_equal_absence() -> None:
    nothing = dict.fromkeys(("annotations", "artifactType", "subject", "mediaType"))
    assert read_manifest({**MANIFEST, **nothing, "manifests": None}).children == read(MANIFEST).children
    assert read_index({**INDEX, **nothing, "config": None, "layers": None}).children == read(INDEX).children
    assert read_manifest({**MANIFEST, "layers": None}).layers == ()
    assert read_index({**INDEX, "manifests": None}).manifests == ()


# Confusion of types


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX, None])
@pytest.mark.parametrize("fields", [("config", "layers"), ("config",), ("layers",)])
def test_a_document_of_both_kinds_is_refused(media_type: str | None, fields: tuple[str, ...]) -> None:
    # CVE-2021-41190: two readers would see two images under one digest.
    both = {**INDEX, **{name: MANIFEST[name] for name in fields}}
    refuse({**both, "mediaType": media_type}, media_type, match="a manifest and an index at once")
    refuse(without(both, "mediaType"), media_type, match="a manifest and an index at once")
    refuse({**both, "manifests": [], "layers": []}, media_type, match="a manifest and an index at once")


@pytest.mark.parametrize("announced", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX])
@pytest.mark.parametrize("declared", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX, "a/b"])
def test_a_document_that_was_announced_as_another_type_is_refused(announced: str, declared: str) -> None:
    if announced == declared:
        return
    for document in (MANIFEST, INDEX):
        refuse({**document, "mediaType": declared}, announced, match=r"^x was announced as .* but says it is ")


@pytest.mark.parametrize("document", [MANIFEST, INDEX])
def test_the_fields_of_one_kind_under_the_type_of_the_other_are_refused(document: dict[str, Any]) -> None:
    for media_type in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX):
        if (media_type in (OCI_INDEX, DOCKER_INDEX)) == (document is INDEX):
            continue
        refuse({**document, "mediaType": media_type}, match="x is no image manifest or index")
        refuse(without(document, "mediaType"), media_type, match="x is no image manifest or index")


NEITHER = {
    "an empty object": {},
    "a version alone": {"schemaVersion": 2},
    "an image config": IMAGE,
    "layers alone": {"schemaVersion": 2, "layers": [LAYER]},
    "a schema 1 manifest": {"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": [], "history": []},
    "an index whose list is null and layers are not": {"schemaVersion": 2, "manifests": None, "layers": [LAYER]},
    "the old artifact manifest": {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "blobs": [LAYER],
    },
    "an unknown type": {**MANIFEST, "mediaType": "application/vnd.example"},
    "a type that is no text": {**MANIFEST, "mediaType": [OCI_MANIFEST]},
    "a type that is a number": {**MANIFEST, "mediaType": 2},
    "a type with control characters": {**MANIFEST, "mediaType": "a/b\r\nX: y\x1b[31m"},
}


@pytest.mark.parametrize("document", NEITHER.values(), ids=NEITHER.keys())
@pytest.mark.parametrize("media_type", [None, OCI_MANIFEST, OCI_INDEX])
def test_what_is_neither_kind(document: dict[str, Any], media_type: str | None) -> None:
    refuse(document, media_type)


@pytest.mark.parametrize("version", [None, 1, 3, "2", 2.0, True, [2], {}, "x" * 10_000])
def test_another_schema_version_is_refused(version: object) -> None:
    refuse({**MANIFEST, "schemaVersion": version}, match="only 2 is supported")
    refuse(without(INDEX, "schemaVersion"), match="schemaVersion None; only 2 is supported")


# Broken parts

BAD_PARTS: dict[str, list[object]] = {
    "config": [[], "x", 1, {}, [CONFIG], {**CONFIG, "size": -1}],
    "layers": [{}, "x", 1, True, LAYER, [None], [[]], [{}], [LAYER, {**LAYER, "digest": "sha256:../x"}]],
    "manifests": [{}, "x", 1, CHILD, [None], [{}], [CHILD, {**CHILD, "platform": {"os": ["linux"]}}]],
    "annotations": [[], "x", {"a": 1}, {"a": None}],
    "artifactType": [1, [], {"a": "b"}, "a\nb"],
    "subject": [[], "x", 1, {}, [CHILD]],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_PARTS.items() for value in values],
    ids=lambda value: repr(value)[:30].encode("unicode_escape").decode(),
)
def test_broken_parts(name: str, value: object) -> None:
    document = INDEX if name == "manifests" else MANIFEST
    refuse({**document, name: value})


def test_messages_count_from_one_and_take_any_subject() -> None:
    subject = "oci:out%20dir%s:100%"
    with pytest.raises(IntegrityError) as caught:
        parse_document(encode({**MANIFEST, "layers": [LAYER, {}]}), None, subject=subject)
    assert caught.value.what == f"layer 2 of {subject} lacks a mediaType or a digest"
    with pytest.raises(IntegrityError) as caught:
        parse_document(encode({**INDEX, "manifests": {}}), None, subject=subject)
    assert caught.value.what == f"{subject} has manifests that are no list"


NO_JSON = {
    "nothing": b"",
    "a list": b"[]",
    "a name twice": encode(MANIFEST)[:-1] + b',"layers":[]}',
    "NaN": b'{"schemaVersion": NaN}',
    "infinity": b'{"schemaVersion": 2, "x": 1e999}',
    "a lone surrogate": encode(MANIFEST)[:-1] + rb',"x":"\ud800"}',
    "a depth bomb": b'{"schemaVersion": 2, "x": ' + b"[" * 200_000,
    "too many bytes": encode({**MANIFEST, "x": "x" * MANIFEST_LIMIT}),
}


@pytest.mark.parametrize("raw", NO_JSON.values(), ids=NO_JSON.keys())
def test_what_is_no_strict_json(raw: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"^x "):
        parse_document(raw, OCI_MANIFEST, subject="x")
    with pytest.raises(IntegrityError, match=r"^x "):
        parse_config(raw, subject="x")


# Configs


def test_config() -> None:
    raw = json.dumps(IMAGE, indent=1).encode()
    config = parse_config(raw, subject="x")
    assert config.raw == raw
    assert config.document == IMAGE
    assert config.platform == Platform("linux", "amd64")
    assert [str(diff_id) for diff_id in config.diff_ids] == [SHA]
    assert config.history == ({"created_by": "x"},)
    assert config.layer_titles == ("x",)
    assert config.settings == {"Env": ["PATH=/bin"], "Labels": {"a": "b"}}


def test_a_history_that_does_not_fit_the_layers_gives_no_titles() -> None:
    steps = [{"created_by": "ENV a=b", "empty_layer": True}, {"created_by": "COPY"}, {"comment": "more"}]
    one, two = (
        {**IMAGE, "history": steps},
        {**IMAGE, "history": steps, "rootfs": {"type": "layers", "diff_ids": [SHA, SHA]}},
    )
    assert parse_config(encode(one), subject="x").layer_titles == ("",)
    assert parse_config(encode(two), subject="x").layer_titles == ("COPY", "more")


def test_a_windows_config() -> None:
    assert parse_config(encode(WINDOWS), subject="x").platform == Platform(
        "windows", "amd64", None, "10.0.20348.2700", ("win32k",)
    )


def test_null_and_missing_fields_of_a_config() -> None:
    bare = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}}
    nulls = {**bare, "rootfs": {"type": "layers", "diff_ids": None}, "history": None, "config": None, "variant": None}
    for document in (bare, nulls):
        config = parse_config(encode(document), subject="x")
        assert (config.diff_ids, config.history, config.settings) == ((), (), {})


BAD_CONFIGS: dict[str, dict[str, Any]] = {
    "an empty object": {},
    "a manifest": MANIFEST,
    "rootfs is null": {**IMAGE, "rootfs": None},
    "rootfs is a list": {**IMAGE, "rootfs": [SHA]},
    "diff_ids is text": {**IMAGE, "rootfs": {"diff_ids": SHA}},
    "diff_ids is an object": {**IMAGE, "rootfs": {"diff_ids": {SHA: SHA}}},
    "diff_ids is false": {**IMAGE, "rootfs": {"diff_ids": False}},
    "a diff_id is null": {**IMAGE, "rootfs": {"diff_ids": [SHA, None]}},
    "a diff_id is a number": {**IMAGE, "rootfs": {"diff_ids": [1]}},
    "a diff_id is cut": {**IMAGE, "rootfs": {"diff_ids": [SHA[:-1]]}},
    "a diff_id is a path": {**IMAGE, "rootfs": {"diff_ids": ["sha256:../../x"]}},
    "a diff_id is empty": {**IMAGE, "rootfs": {"diff_ids": [""]}},
    "a diff_id without end": {**IMAGE, "rootfs": {"diff_ids": ["x" * 100_000]}},
    "history is an object": {**IMAGE, "history": {}},
    "history is text": {**IMAGE, "history": ""},
    "history is false": {**IMAGE, "history": False},
    "an entry of history is null": {**IMAGE, "history": [None]},
    "an entry of history is text": {**IMAGE, "history": ["x"]},
    "config is a list": {**IMAGE, "config": []},
    "config is text": {**IMAGE, "config": "x"},
    "config is false": {**IMAGE, "config": False},
    "os is a number": {**IMAGE, "os": 1},
    "architecture is a list": {**IMAGE, "architecture": ["amd64"]},
    "variant is an object": {**IMAGE, "variant": {}},
    "os.features is text": {**IMAGE, "os.features": "win32k"},
}


@pytest.mark.parametrize("document", BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_bad_configs(document: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=r"\bx\b") as caught:
        parse_config(encode(document), subject="x")
    messages.check(caught.value)


BAD_SETTINGS: dict[str, list[object]] = {
    "Env": ["PATH=/bin", {"PATH": "/bin"}, [1], [None], True],
    "Cmd": ["sh -c x", [["sh"]], 0],
    "Entrypoint": ["sh", {"a": "b"}, [0]],
    "OnBuild": ["RUN x"],
    "Shell": ["/bin/sh"],
    "Labels": ["a=b", ["a=b"], {"a": 1}, {"a": None}],
    "ExposedPorts": [["80/tcp"], "80/tcp", 80],
    "Volumes": [["/data"], "/data"],
    "Healthcheck": [["CMD", "true"], "true"],
    "User": [0, ["root"]],
    "WorkingDir": [["/"], 1],
    "StopSignal": [9],
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_settings_of_another_type_are_refused_before_anything_merges_them(name: str) -> None:
    for value in BAD_SETTINGS[name]:
        with pytest.raises(IntegrityError, match=rf"^{name} of config of x is not ") as caught:
            parse_config(encode({**IMAGE, "config": {name: value}}), subject="x")
        messages.check(caught.value)


def test_settings_may_be_null_unknown_or_strange() -> None:
    settings = {**dict.fromkeys(BAD_SETTINGS), "ArgsEscaped": True, "Memory": 1, "Domainname": ""}
    assert parse_config(encode({**IMAGE, "config": settings}), subject="x").settings == settings
    strange = {"Env": ["no equals sign", ""], "ExposedPorts": {"": None}, "Volumes": {"x": {"y": 1}}, "User": ""}
    assert parse_config(encode({**IMAGE, "config": strange}), subject="x").settings == strange


def test_a_config_may_be_larger_than_a_manifest() -> None:
    raw = encode({**IMAGE, "history": [{"comment": "x" * MANIFEST_LIMIT}]})
    assert parse_config(raw, subject="x").diff_ids


# Anything at all


def check_integrity(error: OcibuildError) -> None:
    assert isinstance(error, IntegrityError), f"{type(error).__name__}: {error}"
    messages.check(error)


OPTIONAL = {"annotations": {"a": "b"}, "artifactType": "a/b", "subject": CHILD}
noise = st.one_of(
    anything.map(encode),
    st.binary(max_size=40),
    st.text('{}[]":,\\ud0123eE+-.truefalsn "schemaVersion', max_size=60).map(str.encode),
)


@settings(max_examples=300)
@given(
    noise | mutations({**MANIFEST, **OPTIONAL}).map(encode) | mutations({**INDEX, **OPTIONAL}).map(encode),
    st.sampled_from([None, OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX]),
)
def test_any_bytes_are_a_document_or_an_integrity_error(raw: bytes, media_type: str | None) -> None:
    try:
        document = parse_document(raw, media_type, subject="x")
    except OcibuildError as error:
        check_integrity(error)
        return
    assert document.descriptor.size == len(raw)
    assert len({document.descriptor, *document.children, document.subject}) >= 1, "all of it can be hashed"


@settings(max_examples=200)
@given(noise | mutations(IMAGE).map(encode) | mutations(WINDOWS).map(encode))
def test_any_bytes_are_a_config_or_an_integrity_error(raw: bytes) -> None:
    try:
        config = parse_config(raw, subject="x")
    except OcibuildError as error:
        check_integrity(error)
        return
    assert isinstance(config.settings, dict)
    assert hash((config.platform, config.diff_ids))
