"""One project, built by several Pythons on two architectures in every way of `tests.end_to_end.ways`: one digest."""
