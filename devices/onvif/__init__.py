"""ONVIF: cameras that speak SOAP over HTTP."""
