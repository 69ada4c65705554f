"""The child process that opens photo files: reads, decodes and writes captions."""
