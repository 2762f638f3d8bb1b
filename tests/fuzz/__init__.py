"""Coverage-guided fuzzing of everything that comes from outside: `make fuzz`."""
