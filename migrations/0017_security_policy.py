from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0016_session_confirmed_at')]

    operations = [
        ops.CreateModel(
            name='SecurityPolicy',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('password_length_min', fields.IntField(default=12)),
                ('password_classes_min', fields.IntField(default=0)),
                ('password_history', fields.IntField(default=5)),
                ('password_days_max', fields.IntField(null=True)),
                ('username_convention', fields.CharField(default='EMAIL', max_length=32)),
                ('mfa_roles', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('mfa_methods', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('session_limits', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('stale_after_days', fields.IntField(default=90)),
                ('reauthentication_minutes', fields.IntField(default=15)),
            ],
            options={'table': 'security_policy', 'app': 'truckroll', 'unique_together': (('organization_id',),), 'pk_attr': 'id', 'table_description': "What an organization asks of its people's passwords, second factors and sessions: at most one row each. What it"},
            bases=['OwnedTable'],
        ),
    ]
