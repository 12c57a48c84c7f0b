"""Predictions for molecules: values, tables, and files of any size."""
