"""Link prediction: splits without leaks, pair features, decoders, metrics."""
