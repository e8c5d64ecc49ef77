"""Images on this machine's disk: OCI image layouts, and the two kinds of archive, read and written.

Every file gets to its final path by rename, so that a crash or a full disk leaves whole files only. May import `errors`,
`findings`, `events`, `oci` and `plan`.
"""
