"""Link prediction: splits without leakage, pair features, decoders, metrics."""
