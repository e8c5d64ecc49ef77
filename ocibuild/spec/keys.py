"""What a key was meant as that is unknown where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocibuild.spec.scope import did_you_mean

# What Dockerfiles and other tools call our keys.
_OF_OTHERS = {"arch": "platforms", "copy": "layers", "files": "layers", "from": "base", "name": "image"}
_OF_OTHERS |= {"expose": "ports", "license": "licenses", "repository": "image", "volume": "volumes"}


def hint_for_key(key: str, known: Mapping[str, Any]) -> str:
    """What to write instead of `key`, or which keys there are; `known` are schemas by the keys that are right there."""
    meant = _OF_OTHERS.get(key.lower(), key.lower())
    if meant in known:
        return f"did you mean `{meant}`?"
    above = next((name for name, schema in known.items() if meant in schema.get("properties", ())), None)
    if above:
        return f"write `{meant}` below `{above}`, indented"
    keys = f"its keys are {', '.join(known)}" if len(known) > 1 else f"its only key is {next(iter(known))}"
    return did_you_mean(key, known) or keys
