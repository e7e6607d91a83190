"""A benchmark and ablation evaluation harness for text-to-image and unified multimodal models."""

__version__ = "0.1.0"
