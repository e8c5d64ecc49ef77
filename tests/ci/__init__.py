"""What templates may know of the checkout that a spec is in."""
