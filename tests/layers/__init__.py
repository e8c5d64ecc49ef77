"""Layers: what each verb puts into a tar, in which order and bytes, and what is refused."""
