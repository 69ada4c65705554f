"""Replacing a file safely, whatever other programs, disks and crashes do meanwhile."""
