"""The engine of Linux: worker processes forked from a server, one pipe to each."""
