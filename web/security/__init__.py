"""Who may look, from where, and by which address."""
