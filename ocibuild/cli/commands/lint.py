"""`ocibuild lint`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ocibuild import api
from ocibuild.cli.options import DEFAULT_FILE, KeyValue, option, profile_option, subcommand, verdict_options
from ocibuild.cli.results import numbered
from ocibuild.cli.session import facts, spec_files
from ocibuild.cli.verdict import conclude, selection
from ocibuild.errors import UsageError


@subcommand(
    "lint",
    "ocibuild lint",
    "ocibuild lint images/ Dockerfile .github/workflows/release.yml",
    "ocibuild lint --strict --format github --policy labels.yaml images/",
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@profile_option
@option("--policy", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help="Check labels against this policy, in place of the specs' own.")  # fmt: skip
@option(
    "--set",
    "sets",
    multiple=True,
    type=KeyValue(),
    help="Give a variable of the specs (`vars`) a value; may be repeated.",
)
@verdict_options
def command(paths: tuple[Path, ...], **options: Any) -> int:
    """Check specs, Dockerfiles (their labels) and workflows (what they give docker/build-push-action), without network.

    PATH is such a file, or a directory with such files in it or below [default: ocibuild.yaml]. Values that only a build
    gives are left open. `ocibuild rules RULE` explains a finding; a comment `# ocibuild: ignore[RULE] reason` on its line or
    above, or `waivers` in the spec, let it pass. Exits with 1 for errors.
    """
    terms = api.LintTerms(
        today=datetime.now(UTC).date(),
        profile=api.profile_named(options["profile"]) if options["profile"] else None,
        policy=api.load_policy(options["policy"]) if options["policy"] else None,
        selection=selection(options),
        overrides=api.Overrides(sets=dict(options["sets"])),
    )
    report = api.lint(_existing(paths), terms, facts())
    return conclude(report.findings, report.waived, _subject(report), options)


def _subject(report: api.LintReport) -> str:
    """What was checked, and in how many files something was found: in such that specs extend, too."""
    checked, told = len(report.files), len({one.place.file for one in report.findings if one.place})
    if checked == 1:
        return str(report.files[0])
    return f"{numbered(told, 'file')} ({checked} checked)" if 0 < told < checked else f"{max(told, checked)} files"


def _existing(paths: tuple[Path, ...]) -> list[Path]:
    if not paths:
        return spec_files({"files": [Path(DEFAULT_FILE)]})
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no {str(path)!r}", hint="name specs, Dockerfiles, workflows, or directories")
    return list(paths)
