"""Answers to questions, with reasons."""
