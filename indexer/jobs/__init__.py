"""The durable queue worked off: the way of one photo, retries and progress."""
