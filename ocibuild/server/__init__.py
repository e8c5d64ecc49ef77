"""A registry over one image layout, for loopback: distribution-spec 1.1 over HTTP/1.1 in threads. No accounts, no TLS.

`wire` (framing, bodies, connections) knows nothing of registries, `registry` and its endpoints nothing of sockets, and
neither of layouts: storage comes through `storage.Storage`. May import `errors`, `findings`, `events`, `oci` and `graph`.
"""
