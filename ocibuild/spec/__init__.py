"""Specs: YAML text becomes plans, or findings that each point at a file, a line and a column.

May import `errors`, `findings`, `oci` and `plan`; the only package that imports yaml, jinja2 and jsonschema. Start at `load`.
"""
