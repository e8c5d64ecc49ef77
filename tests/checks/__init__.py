"""What an image must satisfy before it is sent."""
