"""
A first look: naive Bayes, its mistakes, and whether it can be believed
=======================================================================

Ten lines from data to pictures.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skextra import ScratchGaussianNB
from skextra.inspection import ConfusionExamplesDisplay, ReliabilityDisplay

X, y = load_digits(n_class=4, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = ScratchGaussianNB(var_smoothing=0.01).fit(X_train, y_train)
ConfusionExamplesDisplay.from_estimator(model, X_test, y_test)
reliability = ReliabilityDisplay.from_estimator(model, X_test, y_test)
print(f"accuracy: {model.score(X_test, y_test):.1%}")
print(f"calibration error: {reliability.ece_:.1%}")

# %%
# Each cell of the matrix shows the digit that was predicted with the highest confidence. Naive
# Bayes takes pixels for independent and is therefore too sure: bars below the diagonal say so. See
# :ref:`displays` for what else can be drawn.
