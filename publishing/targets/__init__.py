"""One module per kind of target."""
