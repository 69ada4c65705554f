"""The commands of the command line, but for `serve`, which `web.cli` adds."""
