"""Look inside a network: any number of it, what it learned, what an answer rests on."""
