"""One copy of each large content, in memory that processes share."""
