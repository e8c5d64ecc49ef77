"""The two OCI specifications as values and bytes: digests, media types, documents, references, platforms, compression.

No I/O beyond the bytes that are handed in. May import `errors`, `findings` and `events` only.
"""
