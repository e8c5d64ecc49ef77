"""The verbs of the api, each on real layouts and archives, and on a registry that writes down what it is asked."""
