from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0020_api_key_limits'), ('truckroll', '0020_audit_origin')]

    operations = [
        ops.CreateModel(
            name='Invitation',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('email', fields.CharField(max_length=254)),
                ('customer_id', fields.CharField(null=True, max_length=40)),
                ('token_hash', fields.CharField(unique=True, max_length=64)),
                ('invited_by_user_id', fields.CharField(null=True, max_length=40)),
                ('sent_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('sent_count', fields.IntField(default=1)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('accepted_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('revoked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'invitation', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'user']), Index(fields=['organization_id', 'sent_at'])], 'pk_attr': 'id', 'table_description': 'A link by which somebody new sets a password and comes in. Only a hash of its token is kept.'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='UsedPassword',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('password_hash', fields.CharField(max_length=200)),
                ('used_until', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'used_password', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'user', 'used_until'])], 'pk_attr': 'id', 'table_description': 'A password that somebody had, as a hash: it may not be taken again for a while.'},
            bases=['OwnedTable'],
        ),
        ops.AddField(
            model_name='OutboxMessage',
            name='is_secret',
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name='SecurityPolicy',
            name='login_domain',
            field=fields.CharField(null=True, unique=True, max_length=40),
        ),
        ops.AddField(
            model_name='User',
            name='manager_id',
            field=fields.CharField(null=True, max_length=40),
        ),
        ops.AddField(
            model_name='User',
            name='preferred_name',
            field=fields.CharField(null=True, max_length=120),
        ),
        ops.AddField(
            model_name='User',
            name='start_date',
            field=fields.DateField(null=True),
        ),
        ops.AddField(
            model_name='User',
            name='team',
            field=fields.CharField(null=True, max_length=120),
        ),
        ops.AddField(
            model_name='User',
            name='username',
            field=fields.CharField(null=True, max_length=254),
        ),
        ops.AddConstraint(
            model_name='User',
            constraint=UniqueConstraint(fields=('organization_id', 'username'), name=None),
        ),
    ]
