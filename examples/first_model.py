"""Train, evaluate, save, load and explain a digit classifier."""

from sklearn.datasets import load_digits

import vicinal

digits = load_digits()
x, y = digits.images / 16, digits.target  # [1797, 8, 8] in 0..1, and the labels
model = vicinal.ImageClassifier(epochs=10, lr=5e-3, random_state=0)
model.fit(x[:1200], y[:1200])
print(model.evaluate((x[1200:], y[1200:])))  # score with interval, and baseline
model.save("digits-model")
print(vicinal.load("digits-model").predict(x[1200:1210]), y[1200:1210])
print(model.explain(x[1200:1201]))  # a notebook shows the saliency map
