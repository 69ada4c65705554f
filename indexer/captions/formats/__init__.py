"""The files that captions go into, format by format: how each is taken apart, and what forbids an edit of it."""
