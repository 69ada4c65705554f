"""What brings a data directory back: a backup in one file, and a catalogue that is made again from a damaged one."""
