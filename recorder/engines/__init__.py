"""The engines: how the lecture's picture and sound are made. One folder, one noun per module."""
