"""What git says of the source that is being built. May import `oci` and `plan`; reads the environment and runs `git`."""
