"""Node importance: predict a number for each entity of a knowledge graph."""
