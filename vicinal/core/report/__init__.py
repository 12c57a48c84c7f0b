"""The report page, explanations and console output."""
