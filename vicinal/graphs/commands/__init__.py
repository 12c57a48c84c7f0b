"""What the commands do for nodes, links and graphs."""
