"""Image classification and regression with convolutional networks.

data        read, decode, audit and cache images
networks    architectures, one paper per module
weights     pretrained weights: names, downloads, conversion, transfer
training    augmentation, frozen features, linear probe, fine-tuning
splits      train/validation/test splits, near duplicates
inference   fast prediction, out-of-distribution detection
explain     attribution maps and tests of their faithfulness
inspect     activations, filters, receptive fields
report      sections of report.html
commands    what `vicinal check`, `explain`, ... do for images

Start with `estimator` (shared by classifier and regressor), `run` (audit, split, train,
test, report) and `settings`.
"""
