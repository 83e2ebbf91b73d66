"""The reader: a client's selection and the actor's visibility become one SQL statement.

Selection (what is asked; once per document) → template (SQL with gaps, and the function that makes objects of its rows;
once per scope and database) → statement (gaps filled with this request's arguments, marks with this actor's ids; every
time). What the database returns as JSON goes into the response as it came, as an ``orjson.Fragment``; it is opened only
where a value is computed in Python, or a nested list wants cursors.
"""

from schema.kit.reading.door import read_connection, read_hits, read_many, read_one, read_where
from schema.kit.reading.together import read_together

__all__ = ["read_connection", "read_hits", "read_many", "read_one", "read_together", "read_where"]
