"""Imports and bulk exports as clients see them, and the job that writes exports: it asks the API, so it lives here."""
