from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0022_password_resets')]

    operations = [
        ops.CreateModel(
            name='FactorChallenge',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('purpose', fields.CharField(max_length=16)),
                ('token_hash', fields.CharField(unique=True, max_length=64)),
                ('password_mark', fields.CharField(max_length=64)),
                ('session_id', fields.CharField(null=True, max_length=40)),
                ('method_id', fields.CharField(null=True, max_length=40)),
                ('passkey_challenge', fields.CharField(max_length=128)),
                ('code_hash', fields.CharField(null=True, max_length=64)),
                ('code_sent_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('codes_sent', fields.IntField(default=0)),
                ('tries', fields.IntField(default=0)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('spent_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'factor_challenge', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'user', 'code_sent_at']), Index(fields=['expires_at'])], 'pk_attr': 'id', 'table_description': 'Somebody was asked for a second factor: when they sign in, confirm who they are, or set a new one up.'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='MfaMethod',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('kind', fields.CharField(max_length=16)),
                ('name', fields.CharField(max_length=80)),
                ('secret', fields.TextField(null=True, unique=False)),
                ('last_step', fields.BigIntField(null=True)),
                ('target', fields.CharField(null=True, max_length=254)),
                ('credential_id', fields.CharField(null=True, unique=True, max_length=1400)),
                ('public_key', fields.TextField(null=True, unique=False)),
                ('sign_count', fields.BigIntField(default=0)),
                ('confirmed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('last_used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'mfa_method', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'user', 'created_at'])], 'pk_attr': 'id', 'table_description': 'A second factor of a person, in use once it is confirmed. The secret of an app is encrypted; of a security key there'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='RecoveryCode',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('code_hash', fields.CharField(max_length=64)),
                ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'recovery_code', 'app': 'truckroll', 'indexes': [Index(fields=['organization_id', 'user'])], 'pk_attr': 'id', 'table_description': 'A code that signs a person in once when every other second factor is lost. Only a hash is kept.'},
            bases=['OwnedTable'],
        ),
        ops.AddField(
            model_name='Session',
            name='must_enroll',
            field=fields.BooleanField(default=False, db_default=False),
        ),
    ]
