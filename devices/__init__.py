"""Drivers for the room's devices, and the simulator at the other end of the wire."""
