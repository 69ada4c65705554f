"""Meilisearch as the search server of a household."""
