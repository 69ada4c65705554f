"""The pages, and what may be changed on them."""
