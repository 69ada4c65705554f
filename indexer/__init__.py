"""Files on disk in, a searchable catalogue out."""
