"""The license of what is in the image, in the words of the SPDX list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocibuild.checks.labels import PREFIX, Label, LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.value_types import canonical_license
from ocibuild.findings import Severity

LICENSES = f"{PREFIX}licenses"
# Identifiers that the SPDX list has deprecated (3.27), and what it says instead, where that is one expression.
DEPRECATED = {
    **{
        f"{family}-{version}{old}": f"{family}-{version}-{new}"
        for family, versions in (
            ("AGPL", ("1.0", "3.0")),
            ("GPL", ("1.0", "2.0", "3.0")),
            ("LGPL", ("2.0", "2.1", "3.0")),
            ("GFDL", ("1.1", "1.2", "1.3")),
        )
        for version in versions
        for old, new in (("", "only"), ("+", "or-later"))
        if not (family in ("AGPL", "GFDL") and old)
    },
    "GPL-2.0-with-autoconf-exception": "GPL-2.0-only WITH Autoconf-exception-2.0",
    "GPL-2.0-with-bison-exception": "GPL-2.0-only WITH Bison-exception-2.2",
    "GPL-2.0-with-classpath-exception": "GPL-2.0-only WITH Classpath-exception-2.0",
    "GPL-2.0-with-font-exception": "GPL-2.0-only WITH Font-exception-2.0",
    "GPL-2.0-with-GCC-exception": "GPL-2.0-only WITH GCC-exception-2.0",
    "GPL-3.0-with-autoconf-exception": "GPL-3.0-only WITH Autoconf-exception-3.0",
    "GPL-3.0-with-GCC-exception": "GPL-3.0-only WITH GCC-exception-3.1",
    "eCos-2.0": "GPL-2.0-or-later WITH eCos-exception-2.0",
    "wxWindows": "GPL-2.0-or-later WITH WxWindows-exception-3.1",
    "BSD-2-Clause-FreeBSD": "BSD-2-Clause",
    "BSD-2-Clause-NetBSD": "BSD-2-Clause",
    "bzip2-1.0.5": "bzip2-1.0.6",
    "Net-SNMP": "the licenses that its parts are under",
    "Nunit": "zlib-acknowledgement",
    "StandardML-NJ": "SMLNJ",
}
_WORD = re.compile(r"[^\s()]+")
# What people write for a license that has a name in the SPDX list.
_MEANT = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "gpl": "GPL-3.0-or-later",
    "gplv2": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "lgpl": "LGPL-3.0-or-later",
    "agpl": "AGPL-3.0-or-later",
    "agplv3": "AGPL-3.0-only",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mpl": "MPL-2.0",
    "proprietary": "LicenseRef-Proprietary",
}


def _not_spdx(labels: LabelSet) -> Iterator[Fault]:
    """The licenses are not an SPDX license expression.

    Why: tools that check licenses compare with the SPDX list, and cannot tell what is meant by other words.
    Source: OCI image-spec, annotations.md: "licenses" is an SPDX License Expression (SPDX 2.3, annex D).
    Mend: write an expression of identifiers, such as `MIT` or `Apache-2.0 OR MIT`; `LicenseRef-NAME` for one of your own.
    """
    for entry, value in _licenses(labels):
        if value and canonical_license(value) is None:
            meant = _MEANT.get(value.strip().lower())
            names = [part.strip() for part in re.split(r"[,;&/]", value)]
            if meant is None and len(names) > 1 and all(canonical_license(name) for name in names):
                # Cargo, for one, wrote MIT/Apache-2.0 for a choice.
                meant = (" OR " if "/" in value else " AND ").join(str(canonical_license(name)) for name in names)
            hint = f"write {meant}" if meant else "write identifiers of the SPDX list, such as Apache-2.0 OR MIT"
            yield Fault(f"{value[:80]!r} is not an SPDX license expression", entry.place, hint)


def _not_canonical(labels: LabelSet) -> Iterator[Fault]:
    """The license expression is not spelt as in the SPDX list.

    Why: SPDX identifiers are to be compared without regard to case, but not every tool does so.
    Source: SPDX 2.3, annex D.2, "Case sensitivity".
    Mend: write it as the list does; the finding says how.
    """
    for entry, value in _licenses(labels):
        canonical = canonical_license(value)
        if canonical is not None and " ".join(value.split()) != canonical:
            yield Fault(f"the SPDX list spells {value[:80]!r} otherwise", entry.place, f"write {canonical}")


def _deprecated(labels: LabelSet) -> Iterator[Fault]:
    """The license expression uses an identifier that the SPDX list has deprecated.

    Why: `GPL-2.0` does not say whether a later version may be chosen; the list has had clear names since 2018.
    Source: SPDX License List, "Deprecated License Identifiers".
    Mend: write the identifier that the finding names, if that is what you grant.
    """
    by_lower = {name.lower(): (name, instead) for name, instead in DEPRECATED.items()}
    for entry, value in _licenses(labels):
        for word in _WORD.findall(value) if canonical_license(value) is not None else ():
            if word.lower() in by_lower:
                name, instead = by_lower[word.lower()]
                yield Fault(f"the SPDX list has deprecated {name}", entry.place, f"write {instead}")


def _licenses(labels: LabelSet) -> Iterator[tuple[Label, str]]:
    for entry, value in labels.known():
        if entry.key == LICENSES:
            yield entry, value


_LABELS = (Scope.LABELS,)
RULES: tuple[Rule[LabelSet], ...] = (
    Rule("license-not-spdx", Severity.ERROR, "The license is not an SPDX expression", _LABELS, _not_spdx),
    Rule("license-case", Severity.WARNING, "The license is spelt otherwise in the SPDX list", _LABELS, _not_canonical),
    Rule("license-deprecated", Severity.WARNING, "The license identifier is deprecated", _LABELS, _deprecated),
)
