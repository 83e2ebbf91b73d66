from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0023_second_factors')]

    operations = [
        ops.CreateModel(
            name='AccessRequest',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user_id', fields.CharField(null=True, max_length=40)),
                ('email', fields.CharField(max_length=254)),
                ('legal_name', fields.CharField(max_length=200)),
                ('roles', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('message', fields.CharField(default='', max_length=1000)),
                ('status', fields.CharField(default='PENDING', max_length=32)),
                ('decided_by_user_id', fields.CharField(null=True, max_length=40)),
                ('decided_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('decision_note', fields.CharField(null=True, max_length=500)),
            ],
            options={'table': 'access_request', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'status', 'created_at']), Index(fields=['organization_id', 'user_id'])], 'pk_attr': 'id', 'table_description': 'Somebody asks to be let in, or a user for more roles. Of a stranger, ``user_id`` is null.'},
            bases=['OwnedTable'],
        ),
        ops.AddField(
            model_name='SecurityPolicy',
            name='takes_access_requests',
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name='User',
            name='unlocked_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
