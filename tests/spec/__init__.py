"""Specs: what they mean, and what is said of those that mean nothing."""
