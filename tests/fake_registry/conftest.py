"""The fixtures, for the fake's own tests."""

from .fixtures import fake_registry, fake_tls, recorder, running

__all__ = ["fake_registry", "fake_tls", "recorder", "running"]
