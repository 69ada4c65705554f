"""The reader's language: texts, dates and numbers."""
