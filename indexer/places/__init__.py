"""Names of places, offline: what a search means by a name, and the name of a position."""
