"""Searches as the page and the API ask them, and help while typing."""
