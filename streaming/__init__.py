"""One encode, many viewers."""
