"""The registry client, against values, against the scripted registry, and against docker-registry."""
