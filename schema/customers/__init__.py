"""Customers, contacts and sites as clients see them."""
