"""Real inputs, made on this machine by the programs that make them for everybody: pip, npm, busybox, debootstrap.

Each is a function that gives a directory, made once and kept in `.cache/corpora`. Tests read it and never write to it.
"""
