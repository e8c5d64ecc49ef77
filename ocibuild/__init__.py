"""Build and publish OCI images from one YAML file, without Docker. Start reading at `ocibuild.api`."""

__version__ = "0.1.0"
