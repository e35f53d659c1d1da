"""What each model says on the wire: data, one TOML file per family."""
