from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0010_positions')]

    operations = [
        ops.CreateModel(
            name='Notification',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user_id', fields.CharField(max_length=40)),
                ('kind', fields.CharField(max_length=32)),
                ('title', fields.CharField(max_length=200)),
                ('body', fields.CharField(max_length=500)),
                ('subject_id', fields.CharField(max_length=40)),
                ('cause', fields.CharField(max_length=120)),
                ('read_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'notification', 'app': 'truckroll', 'unique_together': (('organization_id', 'user_id', 'cause'),), 'indexes': [Index(fields=['organization_id', 'user_id', 'created_at', 'id']), Index(fields=['organization_id', 'user_id', 'read_at']), Index(fields=['read_at'])], 'pk_attr': 'id', 'table_description': 'Something that one person is told. ``cause`` is the fact that led to it: nobody is told of it twice.'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='NotificationPreference',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user_id', fields.CharField(max_length=40)),
                ('muted_kinds', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={'table': 'notification_preference', 'app': 'truckroll', 'unique_together': (('organization_id', 'user_id'),), 'pk_attr': 'id', 'table_description': 'Of what somebody does not want to be told.'},
            bases=['OwnedTable'],
        ),
    ]
