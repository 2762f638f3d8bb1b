"""The source of the rule files in deploy/prometheus/rules that repeat a pattern: `make rules` writes them."""
