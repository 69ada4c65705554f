"""One parser for each container and block of metadata; reading and editing share them."""
