"""Which addresses a registry may make us visit, and which may hear who we are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import RegistryError
from ocibuild.registry.origin import OriginPolicy, Purpose, Zone, is_loopback_host, origin_of, zone_of

NAMES = {
    "registry.test": ["93.184.216.34"],
    "auth.test": ["93.184.216.35"],
    "cdn.test": ["93.184.216.36", "2606:2800:220:1::1"],
    "sneaky.test": ["93.184.216.37", "127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    "registry.corp": ["10.1.2.3"],
    "auth.corp": ["10.1.2.4"],
    "0x7f.1": ["127.0.0.1"],
    "2130706433": ["127.0.0.1"],
}


def resolve(host: str) -> Sequence[str]:
    return NAMES.get(host, [])


def policy(registry: str) -> OriginPolicy:
    return OriginPolicy(origin_of(registry), resolve)


PUBLIC = "https://registry.test"
REFUSED = [
    (PUBLIC, "http://registry.test/token", Purpose.REALM),
    (PUBLIC, "http://auth.test/token", Purpose.REALM),
    (PUBLIC, "https://169.254.169.254/latest", Purpose.REALM),
    (PUBLIC, "https://127.0.0.1:8443/token", Purpose.REALM),
    (PUBLIC, "https://localhost/token", Purpose.REALM),
    (PUBLIC, "https://x.localhost./token", Purpose.REALM),
    (PUBLIC, "https://[::1]/token", Purpose.REALM),
    (PUBLIC, "https://[::ffff:127.0.0.1]/token", Purpose.REALM),
    (PUBLIC, "https://[64:ff9b::7f00:1]/token", Purpose.REALM),
    (PUBLIC, "https://0x7f.1/token", Purpose.REALM),
    (PUBLIC, "https://2130706433/token", Purpose.REALM),
    (PUBLIC, "https://sneaky.test/token", Purpose.REALM),
    (PUBLIC, "https://metadata.test/token", Purpose.REDIRECT),
    (PUBLIC, "https://100.100.100.200/", Purpose.REDIRECT),
    (PUBLIC, "https://[fd00:ec2::254]/", Purpose.REDIRECT),
    (PUBLIC, "https://10.0.0.1/", Purpose.LOCATION),
    (PUBLIC, "https://auth.corp/", Purpose.LOCATION),
    (PUBLIC, "https://0.0.0.0/", Purpose.LOCATION),
    (PUBLIC, "http://cdn.test/", Purpose.REDIRECT),
    (PUBLIC, "https://cdn.test/v2/a/tags/list?last=x", Purpose.LINK),
    (PUBLIC, "https://registry.test:444/v2/a/tags/list?last=x", Purpose.LINK),
    (PUBLIC, "https://user:hunter2@auth.test/", Purpose.REALM),
    (PUBLIC, "https://auth.test\\@registry.test/", Purpose.REALM),
    (PUBLIC, "ftp://registry.test/", Purpose.REDIRECT),
    (PUBLIC, "file:///etc/passwd", Purpose.REDIRECT),
    (PUBLIC, "https://", Purpose.REDIRECT),
    (PUBLIC, "https:///path", Purpose.REDIRECT),
    (PUBLIC, "https://cdn.test:99999/", Purpose.REDIRECT),
    (PUBLIC, "https://[::1", Purpose.REDIRECT),
    (PUBLIC, "https://cdn.test/\r\nX: y", Purpose.REDIRECT),
    (PUBLIC, "https://cdn.test/ü", Purpose.REDIRECT),
    ("https://localhost:5000", "https://127.0.0.1:8443/token", Purpose.REALM),
    ("https://127.0.0.1:5000", "https://127.0.0.1:8443/token", Purpose.REALM),
    ("https://registry.corp", "https://169.254.169.254/", Purpose.REDIRECT),
    ("https://registry.corp", "https://127.0.0.1/", Purpose.REDIRECT),
    ("http://registry.corp:5000", "http://127.0.0.1/", Purpose.REDIRECT),
    ("http://127.0.0.1:5000", "http://169.254.169.254/", Purpose.REDIRECT),
]
FOLLOWED = [
    (PUBLIC, "https://auth.test/token", Purpose.REALM),
    (PUBLIC, "https://cdn.test/blob", Purpose.REDIRECT),
    (PUBLIC, "https://registry.test:8443/blob", Purpose.LOCATION),
    (PUBLIC, "https://unknown-here.test/blob", Purpose.REDIRECT),
    ("https://registry.corp", "https://auth.corp/token", Purpose.REALM),
    ("https://registry.corp", "https://10.9.9.9/blob", Purpose.REDIRECT),
    ("https://registry.corp", "https://cdn.test/blob", Purpose.REDIRECT),
    ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", Purpose.REALM),
    ("http://127.0.0.1:5000", "http://localhost:5001/token", Purpose.REALM),
    ("http://127.0.0.1:5000", "https://cdn.test/blob", Purpose.REDIRECT),
    ("https://localhost:5000", "https://localhost:5001/blob", Purpose.REDIRECT),
    ("http://registry.test", "http://cdn.test/blob", Purpose.REDIRECT),
]


@pytest.mark.parametrize(("registry", "target", "purpose"), REFUSED)
def test_it_is_not_followed(registry: str, target: str, purpose: Purpose) -> None:
    with pytest.raises(RegistryError, match="is not followed") as caught:
        policy(registry).follow(f"{registry}/v2/", target, purpose)
    assert "hunter2" not in f"{caught.value.what} {caught.value.where}"


@pytest.mark.parametrize(("registry", "target", "purpose"), FOLLOWED)
def test_it_is_followed_without_credentials(registry: str, target: str, purpose: Purpose) -> None:
    assert policy(registry).follow(f"{registry}/v2/", target, purpose) == target
    assert not policy(registry).may_have_credentials(target)


@pytest.mark.parametrize(
    ("target", "absolute"),
    [
        ("/token", "https://registry.test/token"),
        ("1234?_state=a%2Bb%3D%3d&x=[1]|y", "https://registry.test/v2/a/blobs/uploads/1234?_state=a%2Bb%3D%3d&x=[1]|y"),
        ("?a=b", "https://registry.test/v2/a/blobs/uploads/?a=b"),
        ("https://registry.test/x#part", "https://registry.test/x"),
        ("//registry.test/x", "https://registry.test/x"),
        ("HTTPS://Registry.Test:443/x", "HTTPS://Registry.Test:443/x"),
    ],
)
def test_relative_addresses_keep_their_query(target: str, absolute: str) -> None:
    rules = policy(PUBLIC)
    assert rules.follow(f"{PUBLIC}/v2/a/blobs/uploads/", target, Purpose.LOCATION) == absolute
    assert rules.may_have_credentials(absolute)


@pytest.mark.parametrize("other", ["http://registry.test", "https://registry.test:444", "https://a.registry.test", "https://auth.test"])  # fmt: skip
def test_credentials_belong_to_one_origin(other: str) -> None:
    assert not policy(PUBLIC).may_have_credentials(f"{other}/v2/")


def test_the_address_of_the_connection_counts_too() -> None:
    """A name may resolve to something else when the connection is made."""
    admit = policy(PUBLIC).admission("https://cdn.test/blob", Purpose.REDIRECT)
    admit("93.184.216.36")
    for address in ("127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fe80::1%eth0"):
        with pytest.raises(RegistryError):
            admit(address)


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("8.8.8.8", Zone.PUBLIC),
        ("2001:4860:4860::8888", Zone.PUBLIC),
        ("10.0.0.1", Zone.PRIVATE),
        ("172.16.0.1", Zone.PRIVATE),
        ("192.168.1.1", Zone.PRIVATE),
        ("100.64.0.1", Zone.PRIVATE),
        ("fd12::1", Zone.PRIVATE),
        ("127.0.0.2", Zone.LOOPBACK),
        ("::1", Zone.LOOPBACK),
        ("::ffff:10.0.0.1", Zone.PRIVATE),
        ("2002:7f00:1::", Zone.LOOPBACK),
        ("169.254.1.1", Zone.NEVER),
        ("fe80::1", Zone.NEVER),
        ("224.0.0.1", Zone.NEVER),
        ("240.0.0.1", Zone.NEVER),
        ("0.0.0.0", Zone.NEVER),
        ("::", Zone.NEVER),
    ],
)
def test_zones(address: str, zone: Zone) -> None:
    assert zone_of(address) is zone


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True), ("localhost:5000", True), ("a.localhost", True), ("127.0.0.1:5000", True), ("127.9.9.9", True),
        ("[::1]:5000", True), ("localhost.example.com", False), ("127.0.0.1.example.com", False), ("10.0.0.1:5000", False),
        ("ghcr.io", False),
    ],
)  # fmt: skip
def test_hosts_of_this_machine(host: str, is_loopback: bool) -> None:
    assert is_loopback_host(host) is is_loopback


@given(st.text(alphabet=st.sampled_from("htps:/[]@%?#\\ .a1\t\n\x00ü"), max_size=40), st.sampled_from(Purpose))
def test_whatever_comes_is_followed_or_refused(target: str, purpose: Purpose) -> None:
    """Nothing else than RegistryError; and what is followed from https is https."""
    try:
        url = policy(PUBLIC).follow(f"{PUBLIC}/v2/", target, purpose)
    except RegistryError:
        return
    assert url.lower().startswith("https://")
    assert url.isascii()
