"""Rules over specs, labels and images, and what registries accept, as data. Pure. May import `oci`, `plan` and `graph`.

`rule` says what a rule is, `catalogue` holds all of them. The other modules are themes, each with its rules: `label_*` of
labels wherever they stand, `spec_*` of specs, `image_*` of images; `dockerfile` reads labels out of Dockerfiles.
"""
