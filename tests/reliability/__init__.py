"""What each fault costs, measured: the tables of docs/reliability.md."""
