"""Every example of the repository is built, read by others, and pushed."""
