"""
Near duplicates: a score that is a memory
=========================================

Public sets of scans hold the same slice twice: compressed again, at another contrast, or as its
neighbour of the same patient. Here such a set is made from synthetic slices, so that it is known
what a classifier is worth on slices it has never seen.
"""

import numpy as np

from skextra.datasets import leakage_report, make_brain_mri, near_duplicate_groups

slices, classes = make_brain_mri(500, image_size=64, random_state=0)
rng = np.random.default_rng(0)
copies = rng.choice(500, 300)
contrast = rng.uniform(0.4, 1.1, (300, 1, 1))
noise = rng.normal(0, rng.uniform(0, 18, (300, 1, 1)), (300, 64, 64))
X = np.concatenate([slices, np.clip(slices[copies] * contrast + noise, 0, 255).astype(np.uint8)])
y = np.concatenate([classes, classes[copies]])

# %%
# A plain split
# -------------
# A random split leaves many test images with a twin in training. The report counts them and shows
# pairs, from the most to the least alike: each test image above its twin.

from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
report = leakage_report(X_train, X_test)
print(report)
report.plot()

# %%
# What the twins are worth
# ------------------------
# The nearest neighbour is memory and nothing else. On the plain split it looks clever; on the test
# images without a twin it shows what it knows.

from sklearn.neighbors import KNeighborsClassifier

neighbour = KNeighborsClassifier(1).fit(X_train.reshape(len(X_train), -1), y_train)
right = neighbour.predict(X_test.reshape(len(X_test), -1)) == y_test
print(f"all test images:       {right.mean():.1%}")
print(f"those with a twin:     {right[report.leaked].mean():.1%}")
print(f"those without a twin:  {right[~report.leaked].mean():.1%}")

# %%
# A split by groups
# -----------------
# Near duplicates get one group each, and scikit-learn's group splitters keep a group on one side.

from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

groups = near_duplicate_groups(X)
rows = X.reshape(len(X), -1)
scores = {
    "StratifiedKFold": cross_val_score(
        neighbour, rows, y, cv=StratifiedKFold(5, shuffle=True, random_state=0)
    ),
    "StratifiedGroupKFold": cross_val_score(
        neighbour,
        rows,
        y,
        groups=groups,
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
    ),
}
for name, values in scores.items():
    print(f"{name:22s}{values.mean():.1%} +- {values.std():.1%}")
