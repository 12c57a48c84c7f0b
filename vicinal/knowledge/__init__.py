"""Knowledge graphs: triples of a head, a relation and a tail."""
