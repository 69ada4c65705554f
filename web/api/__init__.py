"""The JSON API and the numbers for programs that watch."""
