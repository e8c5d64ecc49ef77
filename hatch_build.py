"""Compiles the C of ocibuild when it is installed, if this machine can; the package does the same without it, more slowly."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "ocibuild.layers._disk"


class CompileIfPossible(BuildHookInterface[Any]):
    """Called by hatchling for a wheel, and for an installation of the checkout itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the compiled module beside its source, and into the wheel, which is then one for this kind of machine."""
        # A checkout that is installed as it is finds the module beside its source; a wheel is made without leaving anything there.
        self._scratch = TemporaryDirectory()
        target = Path(self.root if version == "editable" else self._scratch.name)
        try:
            built = _compile(Path(self.root), target)
        except Exception as error:  # noqa: BLE001 - no compiler, no headers of Python: whatever it is, it must not stop anyone
            self.app.display_warning(f"{NAME} was not compiled, which makes builds slower: {error}")
            return
        if version != "editable":
            build_data["force_include"][str(built)] = str(built.relative_to(target))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called when the wheel is written."""
        del version, build_data, artifact_path
        self._scratch.cleanup()


def _compile(root: Path, target: Path) -> Path:
    from setuptools import Distribution, Extension

    source = NAME.replace(".", "/") + ".c"
    extension = Extension(NAME, [str(root / source)])
    command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    with TemporaryDirectory() as scratch:
        command.build_lib, command.build_temp, command.force = str(target), scratch, True
        command.ensure_finalized()
        command.run()
    return Path(command.get_ext_fullpath(NAME))
