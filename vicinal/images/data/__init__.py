"""Read, decode, audit and cache images."""
