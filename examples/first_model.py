"""From arrays to a tested model in a dozen lines."""

from sklearn.datasets import load_digits

import vicinal

digits = load_digits()
x, y = digits.images / 16, digits.target  # [1797, 8, 8] in 0..1, and the digit

model = vicinal.ImageClassifier(epochs=10, lr=5e-3, random_state=0)
model.fit(x[:1200], y[:1200])
print(model.evaluate((x[1200:], y[1200:])))  # accuracy, its interval, the baseline

model.save("digits-model")
again = vicinal.load("digits-model")
print(again.predict(x[1200:1210]), y[1200:1210])

why = model.explain(x[1200:1201])  # in a notebook: the picture and what counted
print(why.target, why.score, why.verdict)
