"""Network interfaces to packet batches: the kernel's ring, else libpcap, else scapy.

Linux only for the ring; nothing here is imported before a command listens.
"""
