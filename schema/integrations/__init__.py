"""Imports as clients see them."""
