"""Copying images between places: what travels, in which order, and what stays."""
