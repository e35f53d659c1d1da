"""The ways bytes reach a device."""
