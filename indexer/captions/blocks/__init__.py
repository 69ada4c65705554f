"""The blocks of metadata that the formats share: TIFF directories (Exif), XMP packets, IPTC."""
