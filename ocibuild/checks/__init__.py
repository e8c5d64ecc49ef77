"""Rules over specs, labels and images, and what registries accept, as data. Pure. May import `oci`, `plan` and `graph`.

`rule` says what a rule is, `catalogue` holds all of them; each other module is a theme: subjects, and rules over them.
"""
