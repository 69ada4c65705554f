"""SQLite files: opened, migrated, checked, and set aside where they are damaged."""
