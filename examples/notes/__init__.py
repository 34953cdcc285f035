"""The smallest product of the documentation: notes with tags."""
