"""File trees -> entries -> tar segments -> a compressed blob with its diff_id. Start reading at `build`.

sources (walk, archives) -> arrange (order, parents, conflicts) -> tar (headers) -> segments -> pipeline (threads, digests).
May import `oci` and `plan`, and meets the store only as the `BlobStore` port.
"""
