"""The database's history, one file per step. Written by `truckroll migrate --make NAME`, read by `truckroll migrate`."""
