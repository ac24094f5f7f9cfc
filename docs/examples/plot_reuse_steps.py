"""
A search that fits each vectorizer once
=======================================

A grid over the last step of a pipeline fits the steps before it again for every candidate, to the
same rows. With ``reuse_steps=True`` each of them is fitted once for each fold.
"""

# %%
# Documents of words that are as frequent as in a language, Zipf's law; the two classes differ in a
# few of them.

import time

import matplotlib.pyplot as plt
import numpy as np
from joblib import parallel_config
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skextra  # noqa: F401  registers the backend

rng = np.random.default_rng(0)
words = np.array([f"w{number:x}" for number in range(20_000)])
frequencies = 1 / np.arange(1, len(words) + 1)
numbers = rng.choice(len(words), (400, 120), p=frequencies / frequencies.sum())
y = rng.integers(0, 2, len(numbers))
numbers[:, :3] = rng.integers(50, 150, (len(numbers), 3)) * 2 + y[:, None]
documents = [" ".join(row) for row in words[numbers]]

# %%
# Ten values of ``C`` on three folds: 30 fits, which need three vectorizers.

pipeline = make_pipeline(TfidfVectorizer(), SelectKBest(k=2000), LogisticRegression())
search = GridSearchCV(pipeline, {"logisticregression__C": np.logspace(-1, 2, 10)}, cv=3)


def seconds_of(**options):
    """Search, and return how long it took."""
    with parallel_config("skextra", n_jobs=2, **options):
        started = time.perf_counter()
        search.fit(documents, y)
        return time.perf_counter() - started


seconds_of()  # the workers start
seconds = {"each fit by itself": seconds_of()}
scores = search.cv_results_["mean_test_score"]
seconds["reuse_steps=True"] = seconds_of(reuse_steps=True)

# %%
# The scores are the same, bit for bit.

print("the same scores:", np.array_equal(search.cv_results_["mean_test_score"], scores))
print({name: round(value, 2) for name, value in seconds.items()})

fig, ax = plt.subplots(figsize=(6, 2), layout="constrained")
ax.bar_label(ax.barh(list(seconds), list(seconds.values())), fmt="%.2f s", padding=3)
ax.set(xlabel="seconds of the search")
ax.margins(x=0.15)
plt.show()
