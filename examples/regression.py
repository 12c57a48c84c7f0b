"""Predict a number for each image: how much ink is in a digit."""

from sklearn.datasets import load_digits

import vicinal

digits = load_digits()
x = digits.images / 16  # [1797, 8, 8] in 0..1
ink = x.mean(axis=(1, 2))  # [1797], the target

model = vicinal.ImageRegressor(epochs=3, random_state=0)
model.fit(x[:400], ink[:400])
print(model.evaluate((x[400:600], ink[400:600])))  # mean absolute error, baseline
