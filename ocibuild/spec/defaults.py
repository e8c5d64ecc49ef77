"""`metadata.defaults`: entries that git gives where the spec does not.

They come of git alone, never of the CI run, so that the same commit has the same digest on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ocibuild.errors import OcibuildError
from ocibuild.plan import Strings
from ocibuild.spec.document import complain
from ocibuild.spec.scope import Scope
from ocibuild.spec.template_language import TemplateError
from ocibuild.spec.view import View

_KEY, _ALL = "defaults", "git"


def read_defaults(spec: View, scope: Scope, created: str | None) -> Strings:
    """The entries of `metadata` that git gives, by their short keys. `created` is the time that spec or environment name."""
    metadata = spec.get("metadata")
    view = None if metadata is None else metadata.get(_KEY)
    if metadata is None or view is None:
        return ()
    try:
        git = scope.git()
    except TemplateError as error:
        complain(spec.document, view.path, error)
        return ()
    except OcibuildError as error:
        view.refuse("spec-no-git", error.what, error.hint)
        return ()
    values = _values(git, spec.text_of("image") or "", created)
    wanted = tuple(values) if view.text == _ALL else tuple(item.text for item in view.items())
    return tuple((key, values[key]) for key in wanted if values[key] and metadata.get(key) is None)


def _values(git: Mapping[str, str], image: str, created: str | None) -> Mapping[str, str]:
    is_dirty = git["dirty"] == "true"
    return {
        "source": git["url"],
        "revision": git["commit"] + ("-dirty" if is_dirty else ""),
        "version": re.sub(r"^v(?=[0-9])", "", git["tag"]),
        "created": created or git["commit_date"],
        "title": (image or git["repository"]).rpartition("/")[2],
    }
