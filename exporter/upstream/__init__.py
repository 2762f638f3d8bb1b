"""The Admin API as it really is, seen through one request rate per organization."""
