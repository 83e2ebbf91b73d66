from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('truckroll', '0017_security_policy')]

    operations = [
        ops.CreateModel(
            name='FieldKey',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=32)),
                ('proof', fields.CharField(max_length=64)),
                ('since', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'field_key', 'app': 'truckroll', 'pk_attr': 'id', 'table_description': 'A key with which fields of this database are encrypted: its id, and what shows that a key is the one; never the key.'},
            bases=['Model'],
        ),
    ]
