"""The command line: click, and the wiring of adapters to the core."""
