"""Why an answer has its probability, and how its score is computed."""
