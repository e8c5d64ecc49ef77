"""What registries and runtimes accept, as data with source and date. The profile follows from the host that is pushed to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocibuild.errors import UsageError
from ocibuild.oci.codec import MANIFEST_LIMIT

_GHCR_PAGE = "GitHub documentation, Working with the Container registry (2026-09)"
_DISTRIBUTION = "OCI distribution-spec 1.1, Pushing Manifests, and the limit of the reference registry (2026-09)"
_CONTAINERD = "apko documentation, on the number of layers that containerd mounts (2026-09)"
_ECR_PAGE = "Amazon ECR User Guide, service quotas (2026-09)"
_ECR_PUBLIC_PAGE = "Amazon ECR Public User Guide, service quotas (2026-09)"
_ACR_PAGE = "Azure Container Registry documentation, SKU features and limits (2026-02)"
_LAMBDA_PAGE = "AWS Lambda Developer Guide, Create a Lambda function using a container image, Requirements (2026-09)"
_LAMBDA_QUOTAS = "AWS Lambda Developer Guide, Lambda quotas (2026-09)"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits of a registry or a runtime. None is a limit that is not known.

    Sizes are in bytes, lengths in characters; `upload_seconds` is how long one upload may run. `image_size` is that of all
    layers unpacked. `reads_labels`: the registry shows the labels of a single image and the annotations of an index.
    `hosts` are patterns, in which `*` is anything but a dot. `sources` says of each limit where it is from, and when that was read.
    """

    name: str
    sources: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...] = ()
    layer_size: int | None = None
    layers: int | None = 127
    image_size: int | None = None
    manifest_size: int = MANIFEST_LIMIT
    description_length: int | None = None
    licenses_length: int | None = None
    upload_seconds: int | None = None
    reads_labels: bool = False
    takes_index: bool = True
    takes_zstd: bool = True
    systems: tuple[str, ...] = ()  # operating systems; empty for all

    def serves(self, host: str) -> bool:
        """Whether `host` is one of this registry's."""
        return any(re.fullmatch(_as_expression(pattern), host, re.ASCII) for pattern in self.hosts)


def _as_expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", r"[A-Za-z0-9-]+")


_COMMON = (("manifest_size", _DISTRIBUTION), ("layers", _CONTAINERD))

# "10 GB" is not defined further by GitHub; 10^10 is the safe reading. The generic profile keeps GHCR's limits: an image that
# passes can be pushed anywhere.
PROFILES = (
    Profile(
        "ghcr",
        (
            *((name, _GHCR_PAGE) for name in ("layer_size", "upload_seconds", "description_length", "licenses_length")),
            ("reads_labels", "GitHub documentation, the same page, and bazel-contrib/rules_oci issue 798 (2026-09)"),
            *_COMMON,
        ),
        hosts=("ghcr.io",),
        layer_size=10**10,
        description_length=512,
        licenses_length=256,
        upload_seconds=600,
        reads_labels=True,
    ),
    Profile("dockerhub", _COMMON, hosts=("docker.io", "index.docker.io", "registry-1.docker.io")),
    Profile(
        "ecr",
        (("layer_size", _ECR_PAGE), *_COMMON),
        hosts=("*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com.cn", "*.dkr.ecr-fips.*.amazonaws.com"),
        layer_size=52_000 * _MIB,
    ),
    Profile(
        "ecr-public",
        (("layer_size", _ECR_PUBLIC_PAGE), *_COMMON),
        hosts=("public.ecr.aws",),
        layer_size=10_000 * _MIB,
    ),
    Profile("gar", _COMMON, hosts=("*-docker.pkg.dev", "gcr.io", "*.gcr.io")),
    Profile(
        "acr",
        (("layer_size", _ACR_PAGE), ("manifest_size", _ACR_PAGE), ("layers", _CONTAINERD)),
        hosts=("*.azurecr.io", "*.azurecr.cn", "*.azurecr.us"),
        layer_size=195 * 1024 * _MIB,  # one copy of the page says 200 GiB, another 195
    ),
    Profile(
        "quay",
        (("layer_size", "oras-project/oras-py issue 137: one upload takes at most 20 GB (2026-09)"), *_COMMON),
        hosts=("quay.io",),
        layer_size=20 * 10**9,
    ),
    Profile("gitlab", _COMMON, hosts=("registry.gitlab.com",)),
    Profile("harbor", _COMMON),
    Profile(
        "lambda",
        (
            ("layer_size", _ECR_PAGE),
            ("image_size", _LAMBDA_QUOTAS),
            ("systems", _LAMBDA_PAGE),
            ("takes_index", _LAMBDA_PAGE),
            ("takes_zstd", f"{_LAMBDA_PAGE}: layers are gzip, and zstd is not named"),
            *_COMMON,
        ),
        layer_size=52_000 * _MIB,
        image_size=10 * 1024 * _MIB,
        takes_index=False,
        takes_zstd=False,
        systems=("linux",),
    ),
    Profile(
        "generic",
        (
            *(
                (name, f"that of GHCR, as the strictest in wide use: {_GHCR_PAGE}")
                for name in ("layer_size", "description_length", "licenses_length", "reads_labels")
            ),
            *_COMMON,
        ),
        layer_size=10**10,
        description_length=512,
        licenses_length=256,
        reads_labels=True,
    ),
)
# What says something of a profile besides its limits.
NO_LIMITS = ("name", "sources", "hosts")


def profile_for(host: str) -> Profile:
    """The profile of a registry host; `generic` for one that is not known by name."""
    return next((profile for profile in PROFILES if profile.serves(host)), profile_named("generic"))


def profile_named(name: str) -> Profile:
    """The profile of this name. UsageError, listing those there are, for an unknown one."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise UsageError(f"there is no registry profile {name!r}", hint=f"profiles are: {known}")
