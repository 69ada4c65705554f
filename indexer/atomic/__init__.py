"""Putting a changed file in the place of the old one, whatever other programs, disks and crashes do meanwhile."""
