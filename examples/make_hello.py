#!/usr/bin/env python3
"""Makes the programs that the examples pack: for each architecture an ELF file that prints one line and ends with 0.

A hundred bytes of machine code stand in for what a compiler makes. They need nothing but a Linux kernel, so
that an image of one file runs. The files are kept in the repository.
"""

from __future__ import annotations

import struct
from pathlib import Path

HERE = Path(__file__).parent
HEADERS = 64 + 56  # the ELF header and one program header
ADDRESS = 0x400000
X86_64, AARCH64 = 62, 183  # e_machine


def amd64(message: bytes) -> bytes:
    """write(1, message, len(message)); exit(0)."""
    head = b"\xb8" + struct.pack("<I", 1) + b"\xbf" + struct.pack("<I", 1)  # mov eax, 1; mov edi, 1
    tail = b"\xba" + struct.pack("<I", len(message))  # mov edx, length
    tail += b"\x0f\x05\xb8" + struct.pack("<I", 60) + b"\x31\xff\x0f\x05"  # syscall; mov eax, 60; xor edi, edi; syscall
    return head + b"\x48\x8d\x35" + struct.pack("<i", len(tail)) + tail + message  # lea rsi, [rip + tail]


def arm64(message: bytes) -> bytes:
    """The same."""
    words = (
        0xD2800020,  # mov x0, 1
        0x10000001 | 7 << 5,  # adr x1, message: seven instructions on
        0xD2800002 | len(message) << 5,  # mov x2, length
        0xD2800808,  # mov x8, 64
        0xD4000001,  # svc 0
        0xD2800000,  # mov x0, 0
        0xD2800BA8,  # mov x8, 93
        0xD4000001,  # svc 0
    )
    return struct.pack("<8I", *words) + message


def program(machine: int, code: bytes) -> bytes:
    """A static ELF executable of one loadable segment, which is the whole file."""
    size = HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, machine, 1, ADDRESS + HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, ADDRESS, ADDRESS, size, size, 0x10000)  # readable and executable
    return header + segment + code


def programs() -> dict[Path, bytes]:
    """Each file with its content."""
    on_amd64 = program(X86_64, amd64(b"hello from linux/amd64\n"))
    on_arm64 = program(AARCH64, arm64(b"hello from linux/arm64\n"))
    return {
        HERE / "hello-static/hello": program(X86_64, amd64(b"hello from one static file\n")),
        HERE / "multi-arch-binaries/bin/amd64/hello": on_amd64,
        HERE / "multi-arch-binaries/bin/arm64/hello": on_arm64,
        HERE / "docker-format/bin/amd64/hello": on_amd64,
        HERE / "docker-format/bin/arm64/hello": on_arm64,
    }


if __name__ == "__main__":
    for path, content in programs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
