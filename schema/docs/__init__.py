"""The reference that partners read at /docs: made from the schema itself, with guides and examples that tests run.

``catalogue`` knows what there is, ``examples`` how to ask for it, ``markup`` writes HTML, ``pages`` draws the pages,
``guides`` are texts, ``site`` is all of it by address, and ``serving`` shows it to those who may ask for the schema.
"""
