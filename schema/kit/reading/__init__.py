"""The reader: a client's selection and the actor's visibility become one SQL statement that returns the JSON.

Selection (what is asked; once per document) → template (SQL with gaps; once per shape of permissions and
database) → statement (gaps filled with this actor's conditions and this request's arguments; every time). The text
that the database returns goes into the response as it came, as an ``orjson.Fragment``. Only where a value is computed
in Python, or a nested list wants cursors, is the JSON opened.
"""

from schema.kit.reading.door import read_connection, read_hits, read_many, read_one, read_where
from schema.kit.reading.together import read_together

__all__ = ["read_connection", "read_hits", "read_many", "read_one", "read_together", "read_where"]
