"""Places an image can be in, as a user names them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import UsageError
from ocibuild.oci.location import (
    DockerArchiveLocation,
    LayoutLocation,
    Location,
    OciArchiveLocation,
    RegistryLocation,
    kept_name,
    name_in,
    parse_location,
    parse_output,
)
from ocibuild.oci.reference import parse_reference
from tests.oci import messages

SHA = "sha256:" + "0" * 64

LOCAL: dict[str, Location] = {
    "oci:out": LayoutLocation("out"),
    "oci:.ocibuild/layout": LayoutLocation(".ocibuild/layout"),
    "oci:/tmp/out:1.0": LayoutLocation("/tmp/out", "1.0"),
    "oci:out:ghcr.io/octocat/hello:1.0": LayoutLocation("out", "ghcr.io/octocat/hello:1.0"),
    f"oci:out:{SHA}": LayoutLocation("out", SHA),
    "oci:out:": LayoutLocation("out"),
    "oci:a b/é": LayoutLocation("a b/é"),
    "oci-archive:image.tar": OciArchiveLocation("image.tar"),
    "oci-archive:image.tar:1.0": OciArchiveLocation("image.tar", "1.0"),
    "docker-archive:image.tar": DockerArchiveLocation("image.tar"),
    "docker-archive:image.tar:busybox:1": DockerArchiveLocation("image.tar", "busybox:1"),
}


@pytest.mark.parametrize(("text", "location"), LOCAL.items())
def test_local(text: str, location: Location) -> None:
    assert parse_location(text) == location
    assert parse_output(text) == location
    assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    "text", ["ghcr.io/octocat/hello:1", "docker://busybox", "busybox", "localhost:5000/x", "oci", "oci/x", "ocix:1"]
)
def test_registry(text: str) -> None:
    location = parse_location(text)
    assert location == RegistryLocation(parse_reference(text))
    assert parse_location(str(location)) == location
    with pytest.raises(UsageError, match="is not an output"):
        parse_output(text)


@pytest.mark.parametrize("text", ["", "oci:", "oci::1", "oci-archive:", "docker-archive::x", "oci:a\0b", "Oci:OUT/x"])
def test_neither(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_location(text)
    assert caught.value.hint
    with pytest.raises(UsageError):
        parse_output(text)


# What people type for a file, a directory or a registry, and what to write instead.
ALONE = {
    "hello.tar": "docker-archive:hello.tar",
    "ocibuild.yaml": "oci-archive:ocibuild.yaml",
    ".ocibuild/layout": "write oci:.ocibuild/layout,",
    "./out": "write oci:./out,",
    "/tmp/x.tar": "oci-archive:/tmp/x.tar",
    "~/x.tar": "oci-archive:~/x.tar",
    "out/": "write oci:out/,",
    "ghcr.io": "ghcr.io/REPOSITORY",
    "ghcr.io/": "write oci:ghcr.io/,",
    "localhost": "localhost/REPOSITORY",
    "127.0.0.1:5000": "127.0.0.1:5000/REPOSITORY",
    "localhost:5000": "localhost:5000/REPOSITORY",
    SHA: "REPOSITORY@sha256:",
}


@pytest.mark.parametrize("text", ALONE)
def test_a_name_without_a_repository_is_not_sent_to_docker_hub(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_location(text)
    assert ALONE[text] in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "hint"), {"out.tar": "oci-archive:out.tar", "out/x": "oci:out/x", "type=tar,dest=x": "oci:DIR"}.items()
)
def test_an_output_without_its_kind_is_told_which_there_are(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match="is not an output") as caught:
        parse_output(text)
    assert hint in (caught.value.hint or "")


# location -> what the place calls the image, and the name that a copy of it keeps
NAMES: dict[str, tuple[str | None, str | None]] = {
    "ghcr.io/octocat/hello": ("latest", "ghcr.io/octocat/hello:latest"),
    "busybox:1.36": ("1.36", "docker.io/library/busybox:1.36"),
    f"ghcr.io/octocat/hello@{SHA}": (SHA, None),
    f"ghcr.io/octocat/hello:1@{SHA}": (SHA, "ghcr.io/octocat/hello:1"),
    "oci:out": (None, None),
    "oci:out:1.0": ("1.0", "1.0"),
    "docker-archive:image.tar:busybox:1": ("busybox:1", "busybox:1"),
}


@pytest.mark.parametrize(("text", "names"), NAMES.items())
def test_names(text: str, names: tuple[str | None, str | None]) -> None:
    location = parse_location(text)
    assert (name_in(location), kept_name(location)) == names


@given(st.text() | st.from_regex(r"(oci|oci-archive|docker-archive|docker):[^\n]{0,9}"))
def test_any_text_is_a_location_or_a_usage_error(text: str) -> None:
    try:
        location = parse_location(text)
    except UsageError as error:
        messages.check(error)
        return
    assert parse_location(str(location)) == location
