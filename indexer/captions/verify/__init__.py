"""Independent proof that an edited file is the old one and our caption. Nothing here knows how the edit was made."""
