"""Photos, thumbnails and zips of photos for browsers."""
