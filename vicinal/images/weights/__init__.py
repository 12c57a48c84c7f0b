"""Pretrained weights: download, names, preprocessing, transfer."""
