"""The whole way on real things, as users go it: the command in processes of its own, other people's registries and clients."""
