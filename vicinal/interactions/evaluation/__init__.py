"""What models are scored on: held-out facts and negatives, situation by situation."""
