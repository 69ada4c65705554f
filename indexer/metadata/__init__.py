"""What photo files, sidecars and file names say of a photo, as `PhotoMetadata`."""
