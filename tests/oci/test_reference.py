"""References: the grammar of distribution-spec and of the distribution project, with Docker Hub's short forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import UsageError
from ocibuild.oci.digest import Digest, sha256
from ocibuild.oci.reference import Reference, parse_reference, parse_tag
from tests.oci import messages

HEX64 = "0123456789abcdef" * 4
SHA = f"sha256:{HEX64}"
SHA512 = f"sha512:{HEX64}{HEX64}"
LONGEST = "ghcr.io/" + "a" * (255 - len("ghcr.io/"))

# text -> host, repository, tag, digest
VALID: dict[str, tuple[str, str, str | None, str | None]] = {
    "busybox": ("docker.io", "library/busybox", None, None),
    "busybox:1.36": ("docker.io", "library/busybox", "1.36", None),
    f"busybox@{SHA}": ("docker.io", "library/busybox", None, SHA),
    "library/busybox": ("docker.io", "library/busybox", None, None),
    "octocat/hello": ("docker.io", "octocat/hello", None, None),
    "a/b/c": ("docker.io", "a/b/c", None, None),
    "docker.io/busybox": ("docker.io", "library/busybox", None, None),
    "docker.io/library/busybox": ("docker.io", "library/busybox", None, None),
    "index.docker.io/busybox:1": ("docker.io", "library/busybox", "1", None),
    "index.docker.io/octocat/hello": ("docker.io", "octocat/hello", None, None),
    "docker.io": ("docker.io", "library/docker.io", None, None),
    "ghcr.io/octocat/hello": ("ghcr.io", "octocat/hello", None, None),
    "docker://ghcr.io/octocat/hello:1": ("ghcr.io", "octocat/hello", "1", None),
    "docker://busybox": ("docker.io", "library/busybox", None, None),
    f"ghcr.io/octocat/hello:1.0@{SHA}": ("ghcr.io", "octocat/hello", "1.0", SHA),
    f"ghcr.io/octocat/hello@{SHA512}": ("ghcr.io", "octocat/hello", None, SHA512),
    "ghcr.io/hello": ("ghcr.io", "hello", None, None),
    "localhost": ("docker.io", "library/localhost", None, None),
    "localhost:5000": ("docker.io", "library/localhost", "5000", None),
    "localhost/hello": ("localhost", "hello", None, None),
    "localhost:5000/hello:1": ("localhost:5000", "hello", "1", None),
    "registry:5000/a/b": ("registry:5000", "a/b", None, None),
    "127.0.0.1:5000/hello": ("127.0.0.1:5000", "hello", None, None),
    "[::1]/hello": ("[::1]", "hello", None, None),
    "[::1]:5000/hello:1": ("[::1]:5000", "hello", "1", None),
    "[2001:db8:0:1::FF]/a/b": ("[2001:db8:0:1::FF]", "a/b", None, None),
    "Octocat/hello": ("Octocat", "hello", None, None),
    "GHCR.IO/octocat/hello": ("GHCR.IO", "octocat/hello", None, None),
    "xn--n3h.example/hello": ("xn--n3h.example", "hello", None, None),
    "ghcr.io/a.b_c__d-e---f/0": ("ghcr.io", "a.b_c__d-e---f/0", None, None),
    "ghcr.io/x:_": ("ghcr.io", "x", "_", None),
    "ghcr.io/x:V1.0-rc.1_A": ("ghcr.io", "x", "V1.0-rc.1_A", None),
    "ghcr.io/x:" + "t" * 128: ("ghcr.io", "x", "t" * 128, None),
    "ghcr.io:65535/x": ("ghcr.io:65535", "x", None, None),
    LONGEST: ("ghcr.io", LONGEST.removeprefix("ghcr.io/"), None, None),
    f"{LONGEST}:tag@{SHA}": ("ghcr.io", LONGEST.removeprefix("ghcr.io/"), "tag", SHA),
    f"ghcr.io/{HEX64}": ("ghcr.io", HEX64, None, None),
    f"{HEX64}:latest": ("docker.io", f"library/{HEX64}", "latest", None),
    SHA: ("docker.io", "library/sha256", HEX64, None),  # so says the grammar: a name and a tag
    f"{HEX64}0": ("docker.io", f"library/{HEX64}0", None, None),
}


@pytest.mark.parametrize(("text", "parts"), VALID.items(), ids=[text[:40] for text in VALID])
def test_valid(text: str, parts: tuple[str, str, str | None, str | None]) -> None:
    reference = parse_reference(text)
    digest = None if reference.digest is None else str(reference.digest)
    assert (reference.host, reference.repository, reference.tag, digest) == parts
    assert parse_reference(str(reference)) == reference


INVALID = {
    "nothing": "",
    "a blank": " ",
    "a prefix only": "docker://",
    "an empty tag": "ghcr.io/x:",
    "an empty digest": "ghcr.io/x@",
    "an empty repository": "ghcr.io/",
    "an empty host": "/x",
    "an empty name": ":tag",
    "an empty component": "ghcr.io/a//b",
    "a trailing slash": "ghcr.io/a/",
    "a trailing newline": "ghcr.io/x\n",
    "a trailing newline after a tag": "ghcr.io/x:1\n",
    "a trailing newline after a digest": f"ghcr.io/x@{SHA}\n",
    "a newline in the host": "ghcr.io\n/x",
    "a control sequence": "ghcr.io/x\x1b]0;title\x07",
    "a control sequence in the host": "g.\x1b[31m/Hello",
    "a null byte": "ghcr.io/x\0",
    "a leading blank": " ghcr.io/x",
    "upper case": "ghcr.io/Octocat/hello",
    "upper case on Docker Hub": "Hello",
    "no ASCII": "ghcr.io/café",
    "no ASCII host": "bücher.example/x",
    "Arabic digits": "ghcr.io/x:\u0661",
    "an Arabic port": "ghcr.io:\u0665\u0660/x",
    "a Kelvin sign": "ghcr.io/\u212aelvin",
    "a leading dot": "ghcr.io/.x",
    "a trailing dot": "ghcr.io/x.",
    "two dots": "ghcr.io/a..b",
    "a path upwards": "ghcr.io/../x",
    "three underscores": "ghcr.io/a___b",
    "dot and dash": "ghcr.io/a.-b",
    "an option": "-rf",
    "an option as component": "ghcr.io/-rf",
    "an option as host": "-o.x/y",
    "an option as tag": "ghcr.io/x:-rf",
    "a tag with a leading dot": "ghcr.io/x:.1",
    "a tag with a plus": "ghcr.io/x:1.0+build",
    "a tag of 129 characters": "ghcr.io/x:" + "t" * 129,
    "two tags": "ghcr.io/x:1:2",
    "a tag before the slash": "octocat:1/x:2:3",
    "two digests": f"ghcr.io/x@{SHA}@{SHA}",
    "the tag after the digest": f"ghcr.io/x@{SHA}:1",
    "a short digest": "ghcr.io/x@sha256:abc",
    "a bare image ID": HEX64,
    "a bare image ID with prefix": f"docker://{HEX64}",
    "a name of 256 characters": LONGEST + "a",
    "a port that is too high": "ghcr.io:65536/x",
    "a port that is far too high": "ghcr.io:123456/x",
    "port zero": "ghcr.io:0/x",
    "no port": "ghcr.io:/x",
    "a port that is a word": "ghcr.io:http/x",
    "a host with an underscore": "my_registry.local/x",
    "a host with an empty label": "ghcr..io/x",
    "a host that ends with a dash": "ghcr-.io/x",
    "an open bracket": "[::1/x",
    "no IPv6 address": "[:::]/x",
    "an empty IPv6 address": "[]/x",
    "an IPv6 address without brackets": "::1/x",
    "a zone": "[fe80::1%eth0]/x",
    "a URL": "https://ghcr.io/octocat/hello",
    "a file URL": "file:///etc/passwd",
    "two prefixes": "docker://docker://x",
    "a query": "ghcr.io/x?a=b",
    "a percent escape": "ghcr.io/a%2fb",
    "a backslash": "ghcr.io/a\\b",
    "a name without end": "ghcr.io/" + "a-" * 100_000,
    "a host without end": "a." * 100_000 + "/x",
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
def test_invalid(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.hint, "how to mend it"
    messages.check(caught.value)


HINTS = {
    "ghcr.io/Octocat/Hello:V1": "write ghcr.io/octocat/hello:V1, or `{{ name | lower }}` in a spec",
    "Hello:V1": "write hello:V1, or `{{ name | lower }}` in a spec",
}


@pytest.mark.parametrize(("text", "hint"), HINTS.items())
def test_the_hint_spells_a_name_in_lower_case(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match="lower case") as caught:
        parse_reference(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize("text", ["https://octocat:s3cret@ghcr.io/x", "octocat:s3cret@ghcr.io/x"])
def test_a_password_in_a_url_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert "s3cret" not in f"{caught.value.what} {caught.value.where} {caught.value.hint}"


component = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+){0,2}", fullmatch=True).filter(
    lambda text: len(text) < 30
)
label = st.from_regex(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
dotted = st.lists(label, min_size=2, max_size=3).map(".".join)
hosts = st.one_of(
    st.sampled_from(["ghcr.io", "docker.io", "localhost", "[::1]", "127.0.0.1", "Upper"]),
    dotted.filter(lambda host: host != "index.docker.io"),
)
ports = st.just("") | st.integers(1, 65535).map(":{}".format)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)
digests = st.binary(max_size=4).map(sha256) | st.just(Digest("unknown+x", "a=_-"))


@st.composite
def references(draw: st.DrawFn) -> Reference:
    host = draw(hosts) + draw(ports)
    least = 2 if host == "docker.io" else 1
    repository = "/".join(draw(st.lists(component, min_size=least, max_size=4)))
    return Reference(host, repository, draw(st.none() | tags), draw(st.none() | digests))


@given(references())
def test_a_reference_is_read_back_from_its_text(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference
    assert parse_reference(f"docker://{reference}") == reference


@given(
    st.text()
    | st.text("aA.:/@-_[]0%\n\x1b")
    | st.from_regex(r"[a-z]{1,4}(\.io)?/[a-z./_-]{1,9}(:[a-z]{0,3})?(@sha256:[0-9a-f]{0,65})?")
)
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except UsageError as error:
        messages.check(error)
        return
    assert parse_reference(str(reference)) == reference
    assert str(reference).isascii()
    assert str(reference).isprintable()


def test_the_parts_of_a_reference_are_replaced_not_mixed() -> None:
    reference = parse_reference(f"ghcr.io/octocat/hello:1@{SHA}")
    assert reference.name == "ghcr.io/octocat/hello"
    assert str(reference.with_tag("2")) == "ghcr.io/octocat/hello:2"
    assert str(reference.with_digest(sha256(b""))) == f"ghcr.io/octocat/hello@{sha256(b'')}"


def test_latest_is_assumed_only_where_nothing_is_said() -> None:
    assert parse_reference("ghcr.io/x").or_latest().tag == "latest"
    assert parse_reference("ghcr.io/x:1").or_latest().tag == "1"
    assert parse_reference(f"ghcr.io/x@{SHA}").or_latest().tag is None


@pytest.mark.parametrize("text", ["", ".", "-rf", "a b", "1.0+x", "t" * 129, "x\n", "é", "\u0661", "a/b", "a:b", "a@b"])
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(UsageError, match="is not a tag"):
        parse_tag(text)
    with pytest.raises(UsageError):
        parse_reference("ghcr.io/x").with_tag(text)
