"""Names and images taken away again."""

from __future__ import annotations

from ocibuild.errors import UsageError
from ocibuild.oci.location import LayoutLocation, Location, RegistryLocation
from ocibuild.recipes.places import Places
from ocibuild.store.layout import Layout


def delete(location: Location, places: Places) -> tuple[str, ...]:
    """Delete what a location names, and nothing else; what that was, by name.

    A tag goes alone: what it points to stays, for other tags and for whoever knows the digest. With a digest go the
    manifest and all its tags; in a layout, the names. UsageError for a location that leaves open which image it means.
    """
    if isinstance(location, RegistryLocation):
        reference = location.reference
        if reference.digest is None and reference.tag is None:
            raise UsageError(
                f"{reference} does not say which image to delete",
                hint=f"name a tag ({reference}:TAG) or a digest; `ocibuild ls {reference}` lists the tags",
            )
        name = reference.with_digest(reference.digest) if reference.digest else reference
        places.repository(reference).delete(str(reference.digest or reference.tag))
        return (str(name),)
    if not isinstance(location, LayoutLocation):
        raise UsageError(
            f"{location} is an archive, and archives are not changed", hint="write it anew without the image"
        )
    if location.name is None:
        raise UsageError(
            f"{location} does not say which image to delete", hint=f"`ocibuild ls {location}` lists what it holds"
        )
    gone = Layout.open(location.path, emit=places.emit).remove(location.name)
    return tuple(f"oci:{location.path}:{entry}" for entry in gone)
