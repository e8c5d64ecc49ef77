"""The command line as its users meet it: what stands on stdout and stderr, exit codes, the environment, signals."""
