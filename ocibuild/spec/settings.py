"""The `config` and `unset` blocks: how containers of the image run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from ocibuild.errors import UsageError
from ocibuild.oci.media_type import Format
from ocibuild.plan import Healthcheck, Settings, Strings, Unset
from ocibuild.spec.scope import did_you_mean
from ocibuild.spec.times import parse_duration
from ocibuild.spec.view import View

_DOCKER_ONLY = ("healthcheck", "shell", "onbuild")
_SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM"),
    *(
        "TERM",
        "STKFLT",
        "CHLD",
        "CONT",
        "STOP",
        "TSTP",
        "TTIN",
        "TTOU",
        "URG",
        "XCPU",
        "XFSZ",
        "VTALRM",
        "PROF",
        "WINCH",
    ),
    *("IO", "POLL", "PWR", "SYS", "RTMIN", "RTMAX"),
)
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]")
_TESTS = ("CMD", "CMD-SHELL", "NONE")
Parsed = TypeVar("Parsed")


def read_settings(spec: View, family: Format) -> Settings:
    """What the image says of how it runs."""
    config = spec.get("config")
    if config is None:
        return Settings()
    if family is not Format.DOCKER:
        _refuse_docker_only(config)
    return Settings(
        entrypoint=config.texts_of("entrypoint"),
        cmd=config.texts_of("cmd"),
        env=_env(config),
        workdir=config.parse_of("workdir", _absolute),
        user=config.text_of("user"),
        ports=_unique(config, "ports", _port),
        volumes=_unique(config, "volumes", _absolute),
        stop_signal=config.parse_of("stop_signal", _signal),
        healthcheck=_healthcheck(config.get("healthcheck")),
        shell=config.texts_of("shell"),
        onbuild=config.texts_of("onbuild"),
        author=config.text_of("author"),
    )


def read_unset(spec: View) -> Unset:
    """What is taken away of the base's settings."""
    said = spec.texts_of("unset") or ()
    return Unset(
        env=tuple(text.removeprefix("env.") for text in said if text.startswith("env.")),
        labels=tuple(text.removeprefix("labels.") for text in said if text.startswith("labels.")),
        fields=tuple(text for text in said if "." not in text),
    )


def _refuse_docker_only(config: View) -> None:
    for key in _DOCKER_ONLY:
        view = config.get(key)
        if view is not None:
            message = f"`{key}` is a setting of Docker that OCI images do not have"
            view.refuse("spec-docker-only", message, "write `format: docker`, or leave it out", at_key=True)


def _env(config: View) -> Strings:
    pairs = []
    for name, value in config.entries("env"):
        if not name or "=" in name or "\0" in name + value.text:
            message = (
                f"`{name}` is not the name of an environment variable" if "\0" not in value.text else "NUL in a value"
            )
            value.refuse("spec-bad-value", message, "write NAME: value", at_key=True)
        pairs.append((name, value.text))
    return tuple(pairs)


def _unique(config: View, key: str, parser: Callable[[str], str]) -> tuple[str, ...]:
    found: list[str] = []
    for view in config.items(key):
        value = view.parse(parser)
        if value is not None and value in found:
            view.refuse("spec-bad-value", f"{value} is here a second time", "keep one of the two")
        elif value is not None:
            found.append(value)
    return tuple(found)


def _absolute(text: str) -> str:
    if not text.startswith("/") and not _WINDOWS_PATH.match(text):
        raise UsageError(f"{text!r} is not an absolute path", hint="begin it with /")
    return text


def _port(text: str) -> str:
    # image-spec config.md takes a port without a protocol; Docker writes `8080/tcp` for it, and so do we.
    number, _, protocol = text.partition("/")
    if not 1 <= int(number) <= 65535:
        raise UsageError(f"there is no port {number}", hint="ports go from 1 to 65535")
    return f"{int(number)}/{protocol or 'tcp'}"


def _signal(text: str) -> str:
    name = re.sub(r"[+-][0-9]+$", "", text.removeprefix("SIG"))
    if not text.startswith("SIG"):
        if not 1 <= int(text[:4]) <= 64:
            raise UsageError(f"there is no signal {text}", hint="signals go from 1 to 64")
    elif name not in _SIGNALS:
        near = did_you_mean(f"SIG{name}", [f"SIG{known}" for known in _SIGNALS])
        raise UsageError(f"there is no signal {text}", hint=near or "for example SIGTERM")
    return text


def _healthcheck(view: View | None) -> Healthcheck | None:
    if view is None:
        return None
    test = view.texts_of("test") or ()
    if view.get("test") and test[:1] not in [(name,) for name in _TESTS]:
        hint = 'for example [CMD, /bin/check] or [CMD-SHELL, "check || exit 1"]'
        view.refuse("spec-bad-value", f"`test` begins with one of {', '.join(_TESTS)}", hint)
    return Healthcheck(
        test=test,
        interval=view.parse_of("interval", parse_duration) or 0,
        timeout=view.parse_of("timeout", parse_duration) or 0,
        start_period=view.parse_of("start_period", parse_duration) or 0,
        retries=int(view.text_of("retries") or 0),
    )
