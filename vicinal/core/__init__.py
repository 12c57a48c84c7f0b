"""What all domains share.

settings, objective, metrics, text
data         labels, splits, CSV tables, quarantine
training     the training loop, optimizer, linear heads and their regularisation path
evaluation   scores beside baselines, paired tests, calibration, label issues
estimators   scikit-learn's API, model directories, training runs
compute      device and dtype, threads, memory, distributed training, OpenVINO
storage      checkpoints, files, run directories, downloads
report       the report, console output, explanations
"""
