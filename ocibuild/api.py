"""What ocibuild does. READ FIRST: this is the table of contents; each verb is a short recipe in `ocibuild.recipes`.

    plans = load([Path("ocibuild.yaml")], overrides, facts)             # YAML -> what to build
    with Places() as places:                                            # registries, layouts and archives
        built = build(plans, DEFAULT_OUTPUT, places, jobs=2)            # layers, config, manifests, index -> a layout
        pushed = push_plans(plans, DEFAULT_OUTPUT, (), places)          # checks, then blobs, manifests, tags

All that the command line can do can be done with these. Errors are those of `ocibuild.errors`; progress goes to an `Emit`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ocibuild import __version__ as VERSION  # noqa: N812 - a constant here
from ocibuild.oci.location import LayoutLocation

if TYPE_CHECKING:
    from ocibuild.assembly import Built
    from ocibuild.checks.catalogue import RULES, Selection, rule_named
    from ocibuild.checks.profiles import NO_LIMITS, PROFILES, Profile, profile_named
    from ocibuild.checks.rule import Rule
    from ocibuild.ci.dotenv import DOTENV_LIMIT, dotenv
    from ocibuild.ci.git import git_facts
    from ocibuild.ci.github_files import put_outputs, put_summary, step_files, takes_summary
    from ocibuild.differences import Difference, ImageDifference, ImageLayer, ValueChange
    from ocibuild.graph import Node
    from ocibuild.image import PlatformImage
    from ocibuild.layers.tar import WRITER
    from ocibuild.policy import Waiver
    from ocibuild.recipes.accounts import examine, login, logout
    from ocibuild.recipes.building import Reuse, build
    from ocibuild.recipes.caching import Usage, cache_directory, prune, usage
    from ocibuild.recipes.changing import Chosen, choose_changed
    from ocibuild.recipes.companions import Along
    from ocibuild.recipes.comparing import diff
    from ocibuild.recipes.copying import copy, tag
    from ocibuild.recipes.deleting import delete
    from ocibuild.recipes.facts import facts_of
    from ocibuild.recipes.linting import LintReport, LintTerms, lint
    from ocibuild.recipes.locking import BaseState, Locked, Standing, base_states, lock, lock_findings, recorded_bases
    from ocibuild.recipes.looking import Inspection, digest, images, inspect, tags
    from ocibuild.recipes.merging import create_index
    from ocibuild.recipes.mirroring import copy_tags
    from ocibuild.recipes.places import Places
    from ocibuild.recipes.planning import Fate, Move, PushPlan, plan_push
    from ocibuild.recipes.pushing import UPLOADS, Pushed, Terms, push, push_plans
    from ocibuild.recipes.referring import Attachment, Referred, attach, referrers
    from ocibuild.recipes.reporting import report
    from ocibuild.recipes.serving import serve
    from ocibuild.recipes.sourcing import source_findings
    from ocibuild.recipes.tagging import ImageTags, spec_tags
    from ocibuild.recipes.verifying import VerifyReport, VerifyTerms, verify
    from ocibuild.registry.login import parse_registry
    from ocibuild.registry.settings import Settings
    from ocibuild.schema_files import schema_text
    from ocibuild.spec.load import Facts, Overrides
    from ocibuild.spec.load import load_plans as load
    from ocibuild.spec.load import render_specs as render
    from ocibuild.spec.policies import load_policy
    from ocibuild.spec.yaml_text import as_yaml
    from ocibuild.store.naming import Entry
    from ocibuild.store.writing import refuse_unwritable
    from ocibuild.store.writing import write_output as write_file
    from ocibuild.tree.comparing import FileChange
    from ocibuild.tree.entry import Entry as FileEntry
    from ocibuild.tree.entry import shown as shown_path
    from ocibuild.tree.wording import details as change_details

DEFAULT_OUTPUT = LayoutLocation(".ocibuild/layout")

# The module of each name above. They are imported when they are first asked for (PEP 562): all of them together take longer
# than most commands do. `NAME=OTHER` is OTHER there.
_HOMES = {
    "ocibuild.assembly": "Built",
    "ocibuild.checks.catalogue": "RULES Selection rule_named",
    "ocibuild.checks.profiles": "NO_LIMITS PROFILES Profile profile_named",
    "ocibuild.checks.rule": "Rule",
    "ocibuild.ci.dotenv": "DOTENV_LIMIT dotenv",
    "ocibuild.ci.git": "git_facts",
    "ocibuild.ci.github_files": "put_outputs put_summary step_files takes_summary",
    "ocibuild.differences": "Difference ImageDifference ImageLayer ValueChange",
    "ocibuild.graph": "Node",
    "ocibuild.image": "PlatformImage",
    "ocibuild.layers.tar": "WRITER",
    "ocibuild.policy": "Waiver",
    "ocibuild.recipes.accounts": "examine login logout",
    "ocibuild.recipes.building": "Reuse build",
    "ocibuild.recipes.caching": "Usage cache_directory prune usage",
    "ocibuild.recipes.changing": "Chosen choose_changed",
    "ocibuild.recipes.companions": "Along",
    "ocibuild.recipes.comparing": "diff",
    "ocibuild.recipes.copying": "copy tag",
    "ocibuild.recipes.deleting": "delete",
    "ocibuild.recipes.facts": "facts_of",
    "ocibuild.recipes.linting": "LintReport LintTerms lint",
    "ocibuild.recipes.locking": "BaseState Locked Standing base_states lock lock_findings recorded_bases",
    "ocibuild.recipes.looking": "Inspection digest images inspect tags",
    "ocibuild.recipes.merging": "create_index",
    "ocibuild.recipes.mirroring": "copy_tags",
    "ocibuild.recipes.places": "Places",
    "ocibuild.recipes.planning": "Fate Move PushPlan plan_push",
    "ocibuild.recipes.pushing": "UPLOADS Pushed Terms push push_plans",
    "ocibuild.recipes.referring": "Attachment Referred attach referrers",
    "ocibuild.recipes.reporting": "report",
    "ocibuild.recipes.serving": "serve",
    "ocibuild.recipes.sourcing": "source_findings",
    "ocibuild.recipes.tagging": "ImageTags spec_tags",
    "ocibuild.recipes.verifying": "VerifyReport VerifyTerms verify",
    "ocibuild.registry.login": "parse_registry",
    "ocibuild.registry.settings": "Settings",
    "ocibuild.schema_files": "schema_text",
    "ocibuild.spec.load": "Facts Overrides load=load_plans render=render_specs",
    "ocibuild.spec.policies": "load_policy",
    "ocibuild.spec.yaml_text": "as_yaml",
    "ocibuild.store.naming": "Entry",
    "ocibuild.store.writing": "refuse_unwritable write_file=write_output",
    "ocibuild.tree.comparing": "FileChange",
    "ocibuild.tree.entry": "FileEntry=Entry shown_path=shown",
    "ocibuild.tree.wording": "change_details=details",
}

__all__ = [  # noqa: RUF022 - in the order of use
    # specs
    "Facts", "ImageTags", "Overrides", "as_yaml", "facts_of", "git_facts", "load", "render", "schema_text", "source_findings", "spec_tags",
    # checking
    "NO_LIMITS", "PROFILES", "RULES", "LintReport", "LintTerms", "Profile", "Rule", "Selection", "Waiver", "lint", "load_policy",
    "rule_named", "VerifyReport", "VerifyTerms", "verify",
    # base images
    "BaseState", "Locked", "Standing", "base_states", "lock", "lock_findings", "recorded_bases",
    # building
    "DEFAULT_OUTPUT", "VERSION", "WRITER", "Built", "Chosen", "PlatformImage", "Reuse", "build", "choose_changed", "refuse_unwritable", "write_file",
    # the cache
    "Usage", "cache_directory", "prune", "usage",
    # places
    "Places", "Settings", "examine", "login", "logout", "parse_registry",
    # pushing and copying
    "UPLOADS", "Fate", "Move", "PushPlan", "Pushed", "Terms", "create_index", "plan_push", "profile_named", "push", "push_plans", "tag",
    "Along", "Attachment", "attach", "copy", "copy_tags", "delete",
    # looking
    "Entry", "Inspection", "Node", "Referred", "digest", "images", "inspect", "referrers", "tags",
    # comparing
    "Difference", "FileChange", "FileEntry", "ImageDifference", "ImageLayer", "ValueChange", "change_details", "diff", "report", "shown_path",
    # what a CI job hands on
    "DOTENV_LIMIT", "dotenv", "put_outputs", "put_summary", "step_files", "takes_summary",
    # serving
    "serve",
]  # fmt: skip


if not TYPE_CHECKING:  # else every misspelt name would be an `object` to type checkers

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            for entry in names.split():
                here, _, there = entry.partition("=")
                if here == name:
                    value = globals()[name] = getattr(import_module(module), there or here)
                    return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
