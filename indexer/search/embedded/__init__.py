"""The search that needs no server: an SQLite file, and a snapshot of it in memory."""
