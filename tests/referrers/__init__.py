"""Artifacts about images: listed by registries that can, by tags where they cannot, and in layouts; copied and deleted with them."""
