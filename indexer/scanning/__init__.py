"""Which files there are: library roots crawled, watched and scanned again. Opens no photo."""
