"""Tables that detection reads: ATT&CK for ICS."""
