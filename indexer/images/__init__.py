"""Pixels: photos decoded within limits of memory, turned upright and into sRGB."""
