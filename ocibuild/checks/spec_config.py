"""How containers of the image would start: that what they start is there, and as whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath

from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.spec_subject import PlacedFile, PlatformContent, SpecUnderCheck
from ocibuild.findings import Place, Severity
from ocibuild.plan import Copy, FilesLayer, Text

# What runtimes look programs up in when the image does not say it.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NUMERIC = re.compile(r"[0-9]+(?::[0-9]+)?")
_PRIVILEGED = 1024


def _entrypoint_missing(spec: SpecUnderCheck) -> Iterator[Fault]:
    """The program that the container starts is not in the image. Judged only where all files of the image are known.

    Why: the container does not start.
    Source: OCI image-spec, config.md, "Entrypoint" and "Cmd".
    Mend: correct the path, or copy the program to it.
    """
    missing: dict[tuple[str, Place], list[str]] = {}
    for part in spec.platforms:
        program = _program(part) if part.platform.os != "windows" else None  # where names and paths follow other rules
        if program and _is_known(spec, part) and not any(_holds(part, path) for path in _candidates(part, program)):
            missing.setdefault((program, _program_place(spec, part)), []).append(str(part.platform))
    for (program, place), platforms in missing.items():
        message = f"{program} is not in the image for {', '.join(platforms)}"
        yield Fault(message, place, "correct the path, or copy the program to it")


def _entrypoint_not_executable(spec: SpecUnderCheck) -> Iterator[Fault]:
    """The program that the container starts has no permission to be executed.

    Why: the container does not start: "permission denied".
    Source: execve(2), EACCES. A file made of `text` or `template` has the mode 0644 unless the spec gives another.
    Mend: give its item `mode: "0755"`, or make the file executable.
    """
    for part in spec.platforms:
        program = _program(part)
        if program and part.platform.os == "linux":
            files = [file for path in _candidates(part, program) for file in _top_files(part, path)]
            if files and not any(file.is_executable for file in files):
                message = f"{program} is in the image, and is not executable"
                yield Fault(message, _program_place(spec, part), 'give its item `mode: "0755"`')


def _program(part: PlatformContent) -> str | None:
    settings = part.plan.settings
    command = settings.entrypoint or (settings.cmd if settings.entrypoint is None and part.plan.base is None else None)
    return command[0] if command else None


def _program_place(spec: SpecUnderCheck, part: PlatformContent) -> Place:
    return spec.config_place("entrypoint" if part.plan.settings.entrypoint else "cmd", 0)


def _candidates(part: PlatformContent, program: str) -> list[str]:
    workdir = part.plan.settings.workdir or "/"
    if "/" in program:
        return [normpath(join(workdir, program))]
    path = dict(part.plan.settings.env).get("PATH", _PATH)
    return [normpath(join(directory or workdir, program)) for directory in path.split(":")]


def _is_known(spec: SpecUnderCheck, part: PlatformContent) -> bool:
    """Whether the layers hold all there is: nothing lies below them, and each is known to its last file."""
    from_scratch = part.plan.base is None and not spec.text.is_open(("base",))
    certain = not any(spec.text.is_open((key,)) for key in ("layers", "config"))
    return from_scratch and certain and spec.is_whole and all(layer.complete for layer in part.layers)


def _holds(part: PlatformContent, path: str) -> bool:
    """Whether a file is there, or a link at it or above it may lead to one."""
    if _top_files(part, path):
        return True
    links = {link for layer in part.layers for link in layer.links}
    while path not in links and path != "/":
        path = dirname(path)
    return path in links


def _top_files(part: PlatformContent, path: str) -> list[PlacedFile]:
    """The file at `path` in the highest layer that has one."""
    for layer in reversed(part.layers):
        found = [file for file in layer.files if file.path == path]
        if found:
            return found
    return []


def _user_not_numeric(spec: SpecUnderCheck) -> Iterator[Fault]:
    """The user is a name, not a number.

    Why: Kubernetes refuses `runAsNonRoot` for it, since it cannot tell whether the name is root's; and the name means
    nothing unless the image has it in /etc/passwd.
    Source: Kubernetes documentation, "Configure a Security Context for a Pod or Container"; OCI image-spec, config.md, "User".
    Mend: write numbers, such as "65532:65532".
    """
    for part in spec.platforms:
        user = part.plan.settings.user
        if user and part.platform.os == "linux" and not _NUMERIC.fullmatch(user):
            yield Fault(
                f"the user {user!r} is no number", spec.config_place("user"), 'write numbers, such as "65532:65532"'
            )


def _privileged_port(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A port below 1024 is exposed, and the user is not root.

    Why: such a port can be bound by root alone, unless the program has the capability, or the runtime lowers the limit:
    Docker does, and Kubernetes does not everywhere.
    Source: Linux, capabilities(7), CAP_NET_BIND_SERVICE, and ip_unprivileged_port_start.
    Mend: listen on a port from 1024 on; a service or `-p 80:8080` maps it.
    """
    for part in spec.platforms:
        user = (part.plan.settings.user or "0").partition(":")[0]
        if user not in ("0", "root") and part.platform.os == "linux" and not _has_capabilities(part):
            for number, port in enumerate(part.plan.settings.ports):
                if int(port.partition("/")[0]) < _PRIVILEGED:
                    message = f"the user {user} may not be able to bind the port {port}"
                    yield Fault(message, spec.config_place("ports", number), "listen on a port from 1024 on")


def _has_capabilities(part: PlatformContent) -> bool:
    items = [item for layer in part.layers if isinstance(layer.plan, FilesLayer) for item in layer.plan.items]
    given = [item.attributes.xattrs for item in items if isinstance(item, Copy | Text)]
    return any(name == "security.capability" for xattrs in given if isinstance(xattrs, tuple) for name, _ in xattrs)


def _volume_hides_files(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A volume is declared where the image has files.

    Why: what is mounted there hides them. Docker copies them into a new volume once, and never again for a newer image;
    Kubernetes ignores the declaration altogether.
    Source: Dockerfile reference, "VOLUME", "Notes about specifying volumes".
    Mend: put the files elsewhere, or do not declare the volume.
    """
    for part in spec.platforms:
        for volume in part.plan.settings.volumes:
            below = volume.rstrip("/") + "/"
            file = next((file for layer in part.layers for file in layer.files if file.path.startswith(below)), None)
            if file is not None:
                message = f"the volume {volume} hides {file.path}"
                yield Fault(message, spec.config_place("volumes"), "put the files elsewhere, or drop the volume")


_SPEC = (Scope.SPEC,)
RULES: tuple[Rule[SpecUnderCheck], ...] = (
    Rule("entrypoint-missing", Severity.ERROR, "The program is not in the image", _SPEC, _entrypoint_missing),
    Rule(
        "entrypoint-not-executable", Severity.ERROR, "The program is not executable", _SPEC, _entrypoint_not_executable
    ),
    Rule("user-not-numeric", Severity.WARNING, "The user is not a number", _SPEC, _user_not_numeric),
    Rule("privileged-port", Severity.WARNING, "The user may not bind the port", _SPEC, _privileged_port),
    Rule("volume-hides-files", Severity.WARNING, "A volume hides files", _SPEC, _volume_hides_files),
)
