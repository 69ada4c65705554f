"""Whose words a text in a file is: ours by our mark, a camera's by its form, or else a person's."""
