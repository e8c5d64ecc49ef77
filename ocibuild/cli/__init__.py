"""The command line: options -> one call of the api -> one rendering. The only package that knows click and rich.

Every command is a module of `commands`, imported when it runs.
"""

from ocibuild.cli.app import main

__all__ = ["main"]
