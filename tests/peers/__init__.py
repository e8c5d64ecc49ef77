"""The real programs that tests run against: registries, clients and a TLS proxy, each on loopback with its own files.

`install.sh` brings them from Debian's packages, `programs` finds and calls them, the other modules start servers.
Nothing here imports ocibuild: a peer must not share its mistakes.
"""
