"""What runs inside a worker process, and in the fork server that it comes from."""
