"""Independent judges: what a directory tree and an OCI layout must be, read without one line of ocibuild."""
