"""The image wing: from pictures, however they are kept, to a tested model.

table          where the pictures and their labels are: read_images
rows           ImageTable, what every source is read into
folders        a folder per class, or any folder
spreadsheets   CSV and DataFrame
arrays         arrays, lists of paths
idx            the files of MNIST
inputs         pictures without labels, to be named
decode         one picture's bytes to pixels, by stated rules
audit          what can be used, what cannot and why, copies, sizes
cache          decoded pictures on disk, so that each is decoded once
pictures       a table's pixels, batch by batch
augment        random views of whole batches
networks       the architectures, one paper a file
settings       what a user may set
loader         batches for training, the same whenever they are asked for
parts          which picture is for what
near_duplicates  near copies: encoded anew, shrunk, trimmed
file_groups    groups that the user knows of: by file name, by column
sizes          how large the input is, when the user does not say
learner        what the two estimators share
classifier     ImageClassifier: one label, or several
regressor      ImageRegressor: a number
pretrained     trained weights by name, by file, by folder
key_names      other people's names of tensors
features       what a frozen network says of each picture, computed once
probe          the first answer: a fitted head, cross-validated
transfer       start from a trained network instead of random weights
baselines      what a linear model sees in the pixels
training_run   from data to run folder: audit, split, train, test, report
page           the report's sections
demo           `vicinal demo images`
"""
