"""BACnet above its lower layers: units in columns, and one by one."""
