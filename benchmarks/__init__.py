"""Measures ocibuild against other programs on this machine: `python -m benchmarks`.

corpora (what is packed), builds and peers (who packs it), floor (what no packer can go below) -> scenarios -> measuring ->
report. May import `tests.corpora` and `tests.peers`, which bring inputs and servers; ocibuild is run as a program, not imported.
"""
