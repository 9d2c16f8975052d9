"""Compression: train, decompose, retrain, prune, quantize, export (PENNI, with ESCALATE's hybrid quantization)."""
