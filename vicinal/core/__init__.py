"""The ground floor, shared by both wings: one of each, and no more than one.

settings     what a user may set, with its unit; the command line's flags grow from it
estimator    scikit-learn's verbs, and the model folder they save to
objective    what is learned: one label, several labels, a number
training     the training loop, a generator of epoch records
checkpoint   files that survive a kill at any instant
metrics      scores with intervals
evaluation   a score beside the baselines it has to beat
paired       is one model better than another, example by example
head         one dense layer on frozen features, all folds at once
splits       which example is for training, which for choosing, which for testing
runtime      device, threads, number format: the fastest measured here
run          the run folder
download     a file of a hub: verified, resumable, shared
words        counts and times as a person says them
report       one page that answers in a fixed order
data_parallel  many processes, one training
parallel     ordered work in threads, bounded in memory
memory       what is free, within the limits of a container
"""
