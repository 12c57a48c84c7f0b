"""The commands, each written once; what differs between domains is in `Domain`."""
