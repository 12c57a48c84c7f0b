"""Models of which effects pairs of drugs have; the simplest look at no drug."""
