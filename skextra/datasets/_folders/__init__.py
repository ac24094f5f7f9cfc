"""Class folders: which files they hold, and which layouts are refused."""
