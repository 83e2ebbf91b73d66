"""Other systems' data in, and ours out: tables of work that come in as CSV, whole lists that go out as files.

Nouns: Import, Mapping (declared in ``mappings``, not stored), BulkExport.
Neighbors: an import calls the commands of customers and work_orders, row by row, as a person would; so the same rules
hold, and the same facts are recorded. An export's file is written by ``schema.integrations.exporting``, because it asks the
API; what becomes of the export is decided here.
"""
