"""The API as clients see it: types, operations, and the kit that turns selections into statements."""
