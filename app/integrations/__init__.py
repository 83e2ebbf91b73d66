"""Other systems' data: tables of work that come in as CSV, by mappings that are declared in one place.

Nouns: Import, Mapping (declared in ``mappings``, not stored).
Neighbors: an import calls the commands of customers and work_orders, row by row, as a person would; so the same rules
hold, and the same facts are recorded.
"""
