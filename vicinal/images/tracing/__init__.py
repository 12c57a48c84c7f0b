"""Run a network step by step: activations, gradients and targets."""
