"""Which files there are: walking the library roots and watching them. Opens no photo."""
