"""GitLab's dotenv report: values that a job gives to the jobs behind it, as variables of their environment."""

from __future__ import annotations

from collections.abc import Mapping

# What gitlab.com takes; a larger report is refused, and the values are lost (GitLab documentation, dotenv variables).
DOTENV_LIMIT = 5 * 1024


def dotenv(values: Mapping[str, str]) -> str:
    """One `NAME=value` a line. GitLab knows neither quotes nor values of several lines: lines become words."""
    return "".join(f"{name}={' '.join(value.split())}\n" for name, value in values.items())
