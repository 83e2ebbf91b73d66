"""The company's own settings as clients see them."""
