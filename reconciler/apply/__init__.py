"""The apply protocol: claim, then trigger, then record."""
