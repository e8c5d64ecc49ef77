"""Tests. `peers` are the real programs they run against, `corpora` real inputs, `oracles` independent readers."""
