"""Photos and zips of photos as they leave the house."""
