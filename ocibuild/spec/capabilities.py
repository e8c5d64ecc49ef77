"""File capabilities: the text that setcap takes -> the bytes of the extended attribute `security.capability`.

Linux keeps them in version 2 of `struct vfs_cap_data` (linux/capability.h), little-endian: a word with the version and the
effective bit, then the permitted and the inheritable set, each in two halves of 32 bits that alternate.
"""

from __future__ import annotations

import re
import struct

from ocibuild.errors import UsageError
from ocibuild.spec.scope import did_you_mean

XATTR = "security.capability"
# In the order of their numbers, 0 to 40.
NAMES = (
    "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid",
    "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin",
    "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot",
    "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource",
    "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control",
    "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm", "cap_block_suspend",
    "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
)  # fmt: skip
_REVISION_2, _EFFECTIVE = 0x02000000, 0x000001
_CLAUSE = re.compile(r"([a-z0-9_,]*)([=+])([eip]*)", re.ASCII)
_HINT = "write it as in cap_net_bind_service=ep"


def parse_capabilities(text: str) -> bytes:
    """The 20 bytes for clauses such as `cap_net_raw,cap_net_admin=ep`; later clauses win. UsageError for anything else.

    The kernel has one effective bit for a whole file, so either all permitted and inheritable capabilities are effective or none.
    """
    flags: dict[int, set[str]] = {}
    clauses = text.lower().split()
    for clause in clauses:
        _apply(clause, flags, text)
    flags = {number: given for number, given in flags.items() if given}
    if not flags:
        raise UsageError(f"{text!r} gives no capability", hint=_HINT)
    return _encode(flags, text)


def _apply(clause: str, flags: dict[int, set[str]], text: str) -> None:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise UsageError(f"{text!r} are not file capabilities", hint=_HINT)
    names, operator, given = match.groups()
    for number in _numbers(names, operator):
        kept = flags.get(number, set()) if operator == "+" else set()
        flags[number] = kept | set(given)


def _numbers(names: str, operator: str) -> list[int]:
    if names == "all" or (not names and operator == "="):
        return list(range(len(NAMES)))
    return [_number(name) for name in names.split(",")]


def _number(name: str) -> int:
    if name not in NAMES:
        hint = did_you_mean(name, NAMES) or did_you_mean(f"cap_{name}", NAMES) or _HINT
        raise UsageError(f"{name!r} is not a capability", hint=hint)
    return NAMES.index(name)


def _encode(flags: dict[int, set[str]], text: str) -> bytes:
    permitted = sum(1 << number for number, given in flags.items() if "p" in given)
    inheritable = sum(1 << number for number, given in flags.items() if "i" in given)
    effective = sum(1 << number for number, given in flags.items() if "e" in given)
    if effective and effective != permitted | inheritable:
        raise UsageError(
            f"{text!r} makes some capabilities effective and others not, which a file cannot say",
            hint="give `e` to all of them, each with `p` or `i`, or to none",
        )
    magic = _REVISION_2 | (_EFFECTIVE if effective else 0)
    low, high = 0xFFFFFFFF, 32
    return struct.pack("<5I", magic, permitted & low, inheritable & low, permitted >> high, inheritable >> high)
