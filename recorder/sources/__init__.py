"""Where media comes from, one module per kind of address."""
