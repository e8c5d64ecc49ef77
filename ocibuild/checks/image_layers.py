"""The tars of an image's layers: whether every runtime makes the same files of them."""

from __future__ import annotations

from collections.abc import Iterator

from ocibuild.checks.image_contents import ContentUnderCheck
from ocibuild.checks.layer_survey import Oddity
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.errors import TarDefect
from ocibuild.findings import Severity
from ocibuild.oci.tar_format import printable


def _tar_damaged(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer is no tar archive, or a header in it is damaged.

    Why: nobody can unpack it; readers that carry on after damage see other files.
    Source: POSIX.1-2001, pax, "ustar Interchange Format".
    Mend: build the layer again.
    """
    yield from _defects(content, TarDefect.DAMAGED, "build the layer again")


def _tar_cut_short(content: ContentUnderCheck) -> Iterator[Fault]:
    """The tar of a layer ends in the middle of a member.

    Why: nobody can unpack it. Its compression and its digest are whole, so it was cut before it was packed.
    Source: POSIX.1-2001, pax, "ustar Interchange Format".
    Mend: build the layer again; perhaps the disk was full, or a program ended early in a pipe.
    """
    yield from _defects(content, TarDefect.CUT_SHORT, "build the layer again")


def _tar_without_end(content: ContentUnderCheck) -> Iterator[Fault]:
    """The tar of a layer has no mark at its end, two blocks of zeros.

    Why: it cannot be told from one that was cut between two files. Runtimes take it nevertheless, and umoci 0.4 writes it so.
    Source: POSIX.1-2001, pax, "ustar Interchange Format": two blocks of zeros end the archive.
    Mend: close the archive with a writer that ends it.
    """
    for reading in content.readings.values():
        if reading.stopped is not None and reading.stopped[0] is TarDefect.NO_END:
            message = f"{reading.subject} has no mark at the end of its tar"
            yield Fault(message, content.place, "close the archive with a writer that ends it")


def _tar_goes_on(content: ContentUnderCheck) -> Iterator[Fault]:
    """Something follows the end of a layer's tar.

    Why: runtimes stop at the end, so files behind it are lost; other readers go on, and see another image.
    Source: POSIX.1-2001, pax, "ustar Interchange Format": two blocks of zeros end the archive.
    Mend: join archives with `tar --concatenate`, not with `cat`.
    """
    yield from _defects(content, TarDefect.GOES_ON, "join archives with `tar --concatenate`")


def _tar_sparse(content: ContentUnderCheck) -> Iterator[Fault]:
    """A file is stored as a sparse file.

    Why: GNU's and BSD's tar store these in several ways, and runtimes read some of them.
    Source: OCI image-spec, layer.md, "File Types": sparse files should not be used, they lack consistent support.
    Mend: write the archive without `--sparse`.
    """
    yield from _defects(content, TarDefect.SPARSE, "write the archive without --sparse")


def _tar_unknown_kind(content: ContentUnderCheck) -> Iterator[Fault]:
    """A member is of a kind that no image can hold.

    Why: podman, umoci and containerd refuse the layer.
    Source: OCI image-spec, layer.md, "File Types".
    Mend: make the archive of files, directories, links, FIFOs and devices.
    """
    yield from _defects(content, TarDefect.UNKNOWN_KIND, "make the archive of files, directories and links")


def _defects(content: ContentUnderCheck, defect: TarDefect, hint: str) -> Iterator[Fault]:
    for message in content.stopped_by(defect):
        yield Fault(message, content.place, hint)


def _duplicate_path(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer has two entries for one path.

    Why: podman and `crane validate` refuse it, of directories too; with others the last one wins, or the first.
    Source: OCI image-spec, layer.md: a layer MUST NOT have duplicate entries for a path.
    Mend: pack the layer from a tree, or with a tool that replaces entries instead of appending them.
    """
    yield from _odd(content, Oddity.TWICE, "'{path}' is there twice", "pack each path once")


def _whiteout_beside_file(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer has a file or a directory, and behind it the whiteout that removes the same path.

    Why: podman removes it, or fails to; umoci keeps it: the image depends on who unpacks it.
    Source: OCI image-spec, layer.md, "Whiteouts": they apply to lower layers only, and should come first; tried with both.
    Mend: leave out either of the two.
    """
    yield from _odd(
        content, Oddity.HIDDEN_TOO, "'{path}' comes behind what it removes, {other}", "leave out one of the two"
    )


def _whiteout_malformed(content: ContentUnderCheck) -> Iterator[Fault]:
    """A whiteout names nothing that could be removed.

    Why: podman and umoci refuse the layer.
    Source: OCI image-spec, layer.md, "Whiteouts": `.wh.` is followed by the name of what is removed.
    Mend: leave it out, or name what is meant; `.wh..wh..opq` empties the whole directory.
    """
    yield from _odd(
        content, Oddity.BAD_WHITEOUT, "'{path}' is a whiteout that names nothing", "name what is to be removed"
    )


def _hardlink_before_target(content: ContentUnderCheck) -> Iterator[Fault]:
    """A hard link comes before the file that it links to.

    Why: runtimes unpack a layer from its first entry to its last: podman and umoci find no file there, and fail.
    Source: tried with podman 4.3 and umoci 0.4; POSIX.1-2001, pax: a link is to a file that was archived before.
    Mend: put the file first, as every archiver of trees does.
    """
    message = "'{path}' is a hard link to '{other}', which comes only behind it"
    yield from _odd(content, Oddity.LINK_AHEAD, message, "put the file before its links")


def _hardlink_without_target(content: ContentUnderCheck) -> Iterator[Fault]:
    """A hard link leads to no file of its own layer.

    Why: podman refuses the layer, even if a layer below has the file; a directory has no hard links anywhere.
    Source: tried with podman 4.3; POSIX.1-2001, pax: a link is to a file that was archived before.
    Mend: put the file into the layer too, or use a symbolic link.
    """
    message = "'{path}' is a hard link to '{other}', which is no file of this layer"
    yield from _odd(content, Oddity.LINK_TO_NOTHING, message, "put the file into the layer, or link symbolically")


def _path_invalid(content: ContentUnderCheck) -> Iterator[Fault]:
    """A path that no image can have: with `..` in it, longer than file systems take, or the root as something else than a
    directory.

    Why: careless tools write outside of the directory that they unpack to; careful ones refuse the layer, or drop the `..`.
    Source: OCI image-spec, layer.md, on paths relative to the root; CVE-2018-1002200 and its many kin.
    Mend: pack the files under the paths that they shall have.
    """
    yield from _odd(content, Oddity.INVALID, "'{path}' {other}", "pack the files under the paths that they shall have")


def _path_absolute(content: ContentUnderCheck) -> Iterator[Fault]:
    """A path begins with a slash.

    Why: runtimes take it as relative to the image's root; careless tools write to the machine's own.
    Source: OCI image-spec, layer.md: paths are relative to the root of the file system.
    Mend: pack with relative paths, as `tar` does by itself.
    """
    yield from _odd(content, Oddity.ABSOLUTE, "'{path}' begins with a slash", "pack with relative paths")


def _path_below_file(content: ContentUnderCheck) -> Iterator[Fault]:
    """A path stands below something that the same layer says is no directory.

    Why: podman and umoci refuse the layer.
    Source: tried with podman 4.3 and umoci 0.4.
    Mend: leave out either of the two.
    """
    yield from _odd(
        content, Oddity.BELOW_FILE, "'{path}' stands below '{other}', which is no directory", "leave out one of the two"
    )


def _path_through_link(content: ContentUnderCheck) -> Iterator[Fault]:
    """A path leads through a symbolic link of the same layer, which leads to the root or above it, or to no directory of the layer.

    Why: this is how archives write outside of where they are unpacked. podman refuses it unless the target is in the image.
    Source: tried with podman 4.3; CVE-2021-32803 and its kin.
    Mend: pack the file under its real path.
    """
    message = "'{path}' stands behind the symbolic link '{other}'"
    yield from _odd(content, Oddity.THROUGH_LINK, message, "pack the file under its real path")


def _link_leads_out(content: ContentUnderCheck) -> Iterator[Fault]:
    """A relative symbolic link goes up further than to the root of the image.

    Why: in a container it ends at the root. Where the image is unpacked or mounted it leads to the machine's own files.
    Source: Docker has refused such layers ("invalid symlink") when it did not unpack in a root of its own.
    Mend: make the link absolute, or with fewer `..`.
    """
    yield from _odd(content, Oddity.LEADS_OUT, "'{path}' links to '{other}', above the root", "link with fewer `..`")


def _device_node(content: ContentUnderCheck) -> Iterator[Fault]:
    """A layer holds a device.

    Why: without root it cannot be unpacked as one, and containers get the devices that they may use from the runtime.
    Source: OCI runtime-spec, config-linux.md, "Default Devices".
    Mend: leave /dev out of the layer.
    """
    yield from _odd(content, Oddity.DEVICE, "'{path}' is a device", "leave /dev out of the layer")


def _odd(content: ContentUnderCheck, oddity: Oddity, words: str, hint: str) -> Iterator[Fault]:
    """One fault for each layer that shows an oddity, with an example."""
    for reading in content.readings.values():
        sightings = reading.odd.get(oddity)
        if sightings is not None:
            path, other = (printable(text[:200]) for text in sightings.first)
            more = f" (and {sightings.count - 1} more)" if sightings.count > 1 else ""
            yield Fault(f"{reading.subject}: {words.format(path=path, other=other)}{more}", content.place, hint)


_CONTENT = (Scope.CONTENT,)
_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
RULES: tuple[Rule[ContentUnderCheck], ...] = (
    Rule("tar-damaged", _ERROR, "A layer is no tar", _CONTENT, _tar_damaged),
    Rule("tar-cut-short", _ERROR, "The tar of a layer is cut short", _CONTENT, _tar_cut_short),
    Rule("tar-without-end", _WARNING, "The tar of a layer has no end", _CONTENT, _tar_without_end),
    Rule("tar-goes-on", _ERROR, "Something follows the tar of a layer", _CONTENT, _tar_goes_on),
    Rule("tar-sparse", _ERROR, "A layer has a sparse file", _CONTENT, _tar_sparse),
    Rule("tar-unknown-kind", _ERROR, "A layer has members of an unknown kind", _CONTENT, _tar_unknown_kind),
    Rule("duplicate-path", _ERROR, "A layer has a path twice", _CONTENT, _duplicate_path),
    Rule("whiteout-beside-file", _ERROR, "A layer removes a file of its own", _CONTENT, _whiteout_beside_file),
    Rule("whiteout-malformed", _ERROR, "A whiteout names nothing", _CONTENT, _whiteout_malformed),
    Rule("hardlink-before-target", _ERROR, "A hard link comes before its file", _CONTENT, _hardlink_before_target),
    Rule("hardlink-without-target", _ERROR, "A hard link leads to no file", _CONTENT, _hardlink_without_target),
    Rule("path-invalid", _ERROR, "No image can have this path", _CONTENT, _path_invalid),
    Rule("path-absolute", _WARNING, "A path begins with a slash", _CONTENT, _path_absolute),
    Rule("path-below-file", _ERROR, "A path stands below a file", _CONTENT, _path_below_file),
    Rule("path-through-link", _ERROR, "A path leads through a link", _CONTENT, _path_through_link),
    Rule("link-leads-out", _WARNING, "A symbolic link leads above the root", _CONTENT, _link_leads_out),
    Rule("device-node", _WARNING, "A layer holds a device", _CONTENT, _device_node),
)
