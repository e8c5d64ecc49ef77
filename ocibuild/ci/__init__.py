"""What git and the CI system say of what is built, the tags that rules make of it, and what steps hand on.

May import `oci` and `plan`; reads the environment and runs `git`.
"""
