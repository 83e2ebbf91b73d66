"""Work orders as clients see them, and what clients may do with them."""
