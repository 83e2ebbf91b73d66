from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0021_invitations'), ('truckroll', '0021_journal_salts')]

    operations = [
        ops.CreateModel(
            name='PasswordReset',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('token_hash', fields.CharField(unique=True, max_length=64)),
                ('password_mark', fields.CharField(max_length=64)),
                ('requested_by_user_id', fields.CharField(null=True, max_length=40)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'password_reset', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'user', 'created_at']), Index(fields=['expires_at'])], 'pk_attr': 'id', 'table_description': 'A link by which somebody sets a new password without the old one. Only a hash of its token is kept, and a mark of the'},
            bases=['OwnedTable'],
        ),
    ]
