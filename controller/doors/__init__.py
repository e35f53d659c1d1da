"""Doors other than HTTP: OSC, MQTT."""
