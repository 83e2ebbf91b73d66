from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0018_field_keys')]

    operations = [
        ops.CreateModel(
            name='CustomRole',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('name', fields.CharField(max_length=80)),
                ('description', fields.CharField(default='', max_length=500)),
                ('reach', fields.CharField(default='ORGANIZATION', max_length=32)),
                ('permissions', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
            ],
            options={'table': 'custom_role', 'app': 'truckroll', 'unique_together': (('organization_id', 'name'),), 'pk_attr': 'id', 'table_description': "An organization's own role: what its holders may do, and whose rows that is about. Users name the roles they hold."},
            bases=['OwnedTable'],
        ),
        ops.AddField(
            model_name='User',
            name='custom_role_ids',
            field=fields.JSONField(default=list, db_default='[]', encoder=JSON_DUMPS, decoder=loads),
        ),
    ]
