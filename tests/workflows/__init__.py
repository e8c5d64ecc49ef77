"""The action for GitHub and the template for GitLab: linted, and run as the runners of both would run them."""
