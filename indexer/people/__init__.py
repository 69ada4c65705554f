"""How faces look: their vectors, the groups that they form, and the deletion of all of it."""
