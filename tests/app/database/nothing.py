"""A model for connections that need none."""

from tortoise import fields
from tortoise.models import Model


class Nothing(Model):
    id = fields.IntField(primary_key=True)
