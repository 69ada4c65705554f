"""The commands of the command line, but for `serve`, which is the web room's."""
