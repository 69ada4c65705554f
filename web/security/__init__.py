"""Sign-in, sessions, trusted proxies, and the checks that every request passes."""
