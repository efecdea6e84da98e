"""The architectures, as plain modules; each names the paper's table."""
