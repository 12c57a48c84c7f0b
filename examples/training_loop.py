"""Train epoch by epoch: `fit_epochs` is `fit` as a generator."""

from sklearn.datasets import load_digits

import vicinal

digits = load_digits()
x, y = digits.images[:400] / 16, digits.target[:400]

model = vicinal.ImageClassifier(epochs=8, random_state=0)
for epoch in model.fit_epochs(x, y):
    print(epoch.epoch, f"validation accuracy {epoch.val_score:.3f}")
    if epoch.val_score > 0.5:
        break  # the model is the best epoch so far
print("predicted:", model.predict(x[:5]))
