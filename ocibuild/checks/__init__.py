"""Rules over image graphs, and what registries accept, as data. Pure. May import `oci`, `plan` and `graph`."""
