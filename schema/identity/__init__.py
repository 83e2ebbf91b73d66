"""People, sessions and keys as clients see them."""
