"""The architectures, and the table of their names."""
