"""The wiring: settings, clients, workers, the embedded stack, the CLI. The only code that imports everything."""
