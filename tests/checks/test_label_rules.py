"""The rules of labels: what each takes, what it refuses, and what it suggests."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ocibuild.checks.catalogue import Selection
from ocibuild.checks.label_licenses import DEPRECATED
from ocibuild.checks.labels import PREFIX, Label, LabelSet
from ocibuild.checks.profiles import PROFILES, profile_named
from ocibuild.checks.rule import Scope, judge
from ocibuild.checks.value_types import JUDGES
from ocibuild.findings import Finding, Place
from ocibuild.policy import Demand, LabelPolicy, ValueType

SOURCE = ("source", "https://github.com/octocat/hello")
HERE = Place("here", 1)
LABEL_RULES = Selection().rules(Scope.LABELS)


def label_set(*pairs: tuple[str, str | None], level: str = "labels") -> LabelSet:
    """Keys without a dot are those of the specification."""
    entries = tuple(Label(key if "." in key else PREFIX + key, value, HERE) for key, value in pairs)
    return LabelSet(level, entries, HERE, profile_named("generic"))


def findings(*pairs: tuple[str, str | None]) -> tuple[Finding, ...]:
    own = () if any(key == "source" for key, _ in pairs) else (SOURCE,)
    return judge(LABEL_RULES, label_set(*own, *pairs))


@pytest.mark.parametrize(
    ("key", "value", "expected", "hint"),
    [
        ("source", "https://github.com/octocat/hello", [], None),
        ("source", "http://git.octo.invalid:8080/a/b.git?x=1", [], None),
        ("source", "", ["source-missing"], "add the https URL of the repository"),
        ("source", None, [], None),
        ("source", "git@github.com:octocat/hello.git", ["source-not-url"], "write https://github.com/octocat/hello"),
        ("source", "ssh://git@github.com/octocat/hello", ["source-not-url"], "write https://github.com/octocat/hello"),
        ("source", "github.com/octocat/hello", ["source-not-url"], "write https://github.com/octocat/hello"),
        ("source", "https://", ["source-not-url"], None),
        ("source", "https://github.com/octocat/a b", ["source-not-url"], None),
        ("source", "https://[x/", ["source-not-url"], None),
        (
            "source",
            "https://github.com/OWNER/REPO",
            ["placeholder"],
            "write what is true of this image, or leave the key out",
        ),
        ("source", "https://github.com/your-org/hello", ["placeholder"], None),
        ("source", "https://github.com/owner/hello", ["placeholder"], None),
        ("source", "https://example.com/hello", ["placeholder"], None),
        ("source", "https://github.com/ownership/username-tools", [], None),
        ("url", "hello.html", ["link-not-url"], None),
        ("documentation", "", [], None),
        ("vendor", "USER ORG of PROJECT", [], None),
        ("vendor", "YOUR_COMPANY", ["placeholder"], None),
        ("authors", "me@example.com", ["placeholder"], None),
        ("vendor", "<your company>", ["placeholder"], None),
        ("authors", "The Octocat <octocat@github.com>", [], None),
        ("description", "TODO", ["placeholder"], None),
        ("description", "Serves example.com and other projects of users", [], None),
        ("description", "Two\nlines", ["label-not-plain"], None),
        ("title", "Größe 🎉", [], None),
        ("title", "bell\x07", ["label-not-plain"], None),
        ("licenses", "MIT", [], None),
        ("licenses", "Apache-2.0 OR (MIT AND BSD-3-Clause)", [], None),
        ("licenses", "GPL-2.0-only WITH Classpath-exception-2.0", [], None),
        ("licenses", "LicenseRef-Octo", [], None),
        ("licenses", "", [], None),
        ("licenses", "mit", ["license-case"], "write MIT"),
        ("licenses", "MIT or apache-2.0", ["license-case"], "write MIT OR Apache-2.0"),
        ("licenses", "GPL-2.0", ["license-deprecated"], "write GPL-2.0-only"),
        ("licenses", "LGPL-2.1+", ["license-deprecated"], "write LGPL-2.1-or-later"),
        ("licenses", "gpl-3.0", ["license-case", "license-deprecated"], None),
        ("licenses", "Apache 2.0", ["license-not-spdx"], "write Apache-2.0"),
        ("licenses", "MIT, Apache-2.0", ["license-not-spdx"], "write MIT AND Apache-2.0"),
        ("licenses", "MIT/apache-2.0", ["license-not-spdx"], "write MIT OR Apache-2.0"),
        ("licenses", "see LICENSE", ["license-not-spdx"], None),
        ("created", "2024-01-31T12:00:00Z", [], None),
        ("created", "2024-01-31T12:00:00.123456789+02:00", [], None),
        ("created", "2024-02-30T12:00:00Z", ["created-not-rfc3339"], None),
        ("created", "2024-01-31", ["created-not-rfc3339"], None),
        ("created", "1706702400", ["created-not-rfc3339"], None),
        ("base.name", "docker.io/library/debian:12", [], None),
        (f"{PREFIX}base.name", "ghcr.io/octocat/base:1", [], None),
        (f"{PREFIX}base.name", "debian:12", ["base-not-reference"], None),
        (f"{PREFIX}base.digest", "sha256:" + "0" * 64, [], None),
        (f"{PREFIX}base.digest", "sha256:0", ["base-not-reference"], None),
        ("licence", "MIT", ["unknown-oci-key"], f"did you mean `{PREFIX}licenses`?"),
        ("descripton", "x", ["unknown-oci-key"], f"did you mean `{PREFIX}description`?"),
        ("Source", "x", ["unknown-oci-key"], f"did you mean `{PREFIX}source`?"),
        ("com.docker.x", "y", ["reserved-namespace"], None),
        ("org.opencontainers.x", "y", ["reserved-namespace"], None),
        ("com.docker.desktop.extension.api.version", "0.3.4", [], None),
        ("com.docker.extension.screenshots", "[]", [], None),
        ("com.dockerish.x", "y", [], None),
        ("com.example.a b", "y", ["label-key-form"], None),
        ("com.example.", "y", ["label-key-form"], None),
        ("com.example.a", "", [], None),
        ("version", "${VERSION}", ["unexpanded-variable"], None),
        ("version", "{{ version }}", ["unexpanded-variable"], None),
        ("version", "$VERSION", ["unexpanded-variable"], None),
        ("com.example.price", "$5", [], None),
        ("com.example.version", "$VERSION", ["unexpanded-variable"], None),
        ("com.example.format", "{{ .Name }}\n", [], None),  # whose reader fills it in
        ("com.example.users", "octo:$$APR1$$X", [], None),
    ],
)
def test_values(key: str, value: str | None, expected: list[str], hint: str | None) -> None:
    if key.startswith("base."):
        key = PREFIX + key
    found = findings((key, value))
    assert sorted(finding.rule for finding in found) == sorted(expected)
    assert hint is None or found[0].hint == hint


@pytest.mark.parametrize(
    "secret",
    [
        "gh" + "p_" + "a" * 36,
        "AKIA" + "A" * 16,
        "https://octocat:hunter2@registry.invalid",
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    ],
)
def test_a_secret_is_found_and_not_repeated(secret: str) -> None:
    place = Place("here", 1, 1, f"LABEL x={secret}")
    labels = LabelSet(
        "labels", (Label("com.example.x", secret, place),), HERE, profile_named("generic"), complete=False
    )
    (finding,) = judge(LABEL_RULES, labels)
    assert finding.rule == "secret-in-label"
    assert secret not in repr(finding)


@pytest.mark.parametrize(
    "part", ["a", "a.", "your-", "${a", "{{", "((", "MIT OR ", "a://", "a:", "<a", "//a", "-----BEGIN A ", "$A", " "]
)
def test_a_value_of_megabytes_takes_no_longer_than_its_length(part: str) -> None:
    """Images of others have such; ten times as much would be enough to take a minute where each place looks far ahead."""
    value = part * (200_000 // len(part))
    labels = label_set(*((key, value) for key in ("source", "licenses", "created", "authors", "base.name", "com.a.b")))
    before = time.process_time()
    judge(LABEL_RULES, labels)
    assert time.process_time() - before < 5


def test_labels_that_are_added_to_others_are_not_missed() -> None:
    partial = replace(label_set(), complete=False, policy=LabelPolicy("p", {"a.b": Demand(required=True)}))
    assert judge(LABEL_RULES, partial) == ()
    assert judge(LABEL_RULES, label_set(level="index annotations")) == ()


def test_lengths_are_those_of_the_profile() -> None:
    long = label_set(SOURCE, ("description", "x" * 513))
    for profile in PROFILES:
        found = judge(LABEL_RULES, replace(long, profile=profile))
        assert bool(found) == (profile.description_length == 512), profile.name


def test_the_same_value_twice_is_no_fault() -> None:
    assert findings(("com.example.a", "1"), ("com.example.a", "1")) == ()
    assert [finding.rule for finding in findings(("com.example.a", "1"), ("com.example.a", "2"))] == ["label-repeated"]


DEMANDS = {
    "t.url": Demand(type=ValueType.URL),
    "t.semver": Demand(type=ValueType.SEMVER),
    "t.hash": Demand(type=ValueType.HASH),
    "t.rfc3339": Demand(type=ValueType.RFC3339),
    "t.spdx": Demand(type=ValueType.SPDX),
    "t.email": Demand(type=ValueType.EMAIL),
    "t.pattern": Demand(pattern="[a-z]+"),
    "t.enum": Demand(enum=("gold", "silver")),
    "t.length": Demand(max_length=3),
    "t.text": Demand(),
}


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("t.url", ["https://a.invalid/b"], ["ftp://a.invalid", "a"]),
        ("t.semver", ["1.2.3", "0.0.0-rc.1+b.01"], ["1.2", "v1.2.3", "01.2.3", "1.2.3-01", "1.2.3\n"]),
        ("t.hash", ["0123abc", "a" * 40, "a" * 64], ["abcdef", "A" * 40, "g" * 40, "a" * 41]),
        ("t.rfc3339", ["2024-01-31T12:00:00Z"], ["2024-01-31 12:00:00Z"]),
        ("t.spdx", ["MIT", "mit"], ["My License"]),
        ("t.email", ["a.b+c@octo.example"], ["a", "a@b", "a b@octo.example", "A <a@octo.example>"]),
        ("t.pattern", ["abc"], ["abc1", "Abc"]),
        ("t.enum", ["gold"], ["Gold", "bronze"]),
        ("t.length", ["äöü"], ["four"]),
        ("t.text", ["anything at all"], []),
    ],
)
def test_policies(key: str, good: list[str], bad: list[str]) -> None:
    policy = LabelPolicy("p", DEMANDS)
    rules = [rule for rule in LABEL_RULES if rule.id.startswith("policy-")]
    for value in good:
        assert judge(rules, replace(label_set((key, value)), policy=policy)) == (), value
    for value in bad:
        (finding,) = judge(rules, replace(label_set((key, value)), policy=policy))
        assert finding.rule == "policy-bad-value", value


def test_every_type_has_a_judge() -> None:
    assert set(JUDGES) == set(ValueType)


def test_the_deprecated_licenses_are_those_that_the_library_knows() -> None:
    from packaging.licenses._spdx import LICENSES

    known = {entry["id"] for entry in LICENSES.values() if entry["deprecated"]}
    ours = {name for name in DEPRECATED if name.lower() in LICENSES}
    assert ours <= known
    assert {name.lower() for name in known} - {name.lower() for name in DEPRECATED} == set()
