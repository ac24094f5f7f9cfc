"""Who runs attempts."""
