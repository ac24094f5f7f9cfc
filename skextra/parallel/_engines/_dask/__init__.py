"""The engine of a Dask cluster: Dask sees attempts only, each run by worker processes there."""
