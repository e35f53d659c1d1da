"""Finding devices on the network, on serial ports and on the broker."""
