"""Categories, products and equipment as clients see them."""
