from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0024_access_lists')]

    operations = [
        ops.CreateModel(
            name='IdentityProvider',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('name', fields.CharField(max_length=80)),
                ('issuer', fields.CharField(max_length=500)),
                ('client_id', fields.CharField(max_length=200)),
                ('client_secret', fields.TextField(null=True, unique=False)),
                ('email_domains', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('role_claim', fields.CharField(null=True, max_length=80)),
                ('role_map', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('default_roles', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('makes_accounts', fields.BooleanField(default=False)),
                ('replaces_second_factor', fields.BooleanField(default=False)),
                ('is_active', fields.BooleanField(default=True)),
            ],
            options={'table': 'identity_provider', 'app': 'truckroll', 'unique_together': (('organization_id', 'name'),), 'pk_attr': 'id', 'table_description': "Another company's server that says who the organization's people are (OpenID Connect)."},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='ProviderSignIn',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('provider', fields.ForeignKeyField('truckroll.IdentityProvider', source_field='provider_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('state_hash', fields.CharField(unique=True, max_length=64)),
                ('browser_hash', fields.CharField(max_length=64)),
                ('page_challenge', fields.CharField(max_length=64)),
                ('return_to', fields.CharField(max_length=500)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('returned_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('user_id', fields.CharField(null=True, max_length=40)),
                ('code_hash', fields.CharField(null=True, unique=True, max_length=64)),
                ('code_expires_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('spent_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'provider_sign_in', 'app': 'truckroll', 'indexes': [Index(fields=['expires_at'])], 'pk_attr': 'id', 'table_description': 'Somebody is on the way to a provider or back. All that they carry is kept as hashes.'},
            bases=['OwnedTable'],
        ),
        ops.CreateModel(
            name='UserIdentity',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ('version', fields.IntField(default=1, db_default=1)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('organization_id', fields.CharField(max_length=40)),
                ('user', fields.ForeignKeyField('truckroll.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('provider', fields.ForeignKeyField('truckroll.IdentityProvider', source_field='provider_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('subject', fields.CharField(max_length=255)),
            ],
            options={'table': 'user_identity', 'app': 'truckroll', 'unique_together': (('provider_id', 'subject'),), 'indexes': [Index(fields=['organization_id', 'user'])], 'pk_attr': 'id', 'table_description': "Who a user is at a provider: once known, only the provider's own name for the person counts."},
            bases=['OwnedTable'],
        ),
        ops.AddField(
            model_name='Session',
            name='factor_elsewhere',
            field=fields.BooleanField(default=False, db_default=False),
        ),
    ]
