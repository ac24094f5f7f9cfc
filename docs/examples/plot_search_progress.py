"""
Watching a search while it trains
=================================

Three networks are compared by a grid search on two worker processes. scikit-learn's callbacks
follow every epoch of every fit: one draws progress bars, the other keeps the scores.
"""

# %%
# Synthetic slices of four classes, 32x32 pixels.

import joblib
import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri

X, y = make_brain_mri(240, image_size=32, random_state=0)

# %%
# The monitor sits on the network and scores it after each epoch; the bar sits on the search, and
# `max_propagation_depth` lets it show the fits inside. Bars of fits that run at the same time
# move at the same time. In a terminal or a notebook they move, here only their end is seen.

monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
network = TumorCNNClassifier(max_epochs=10, random_state=0).set_callbacks(monitor)
search = GridSearchCV(
    network, {"architecture": ["linear", "mlp", "sequential"]}, cv=2, refit=False
)
search.set_callbacks(ProgressBar(max_propagation_depth=2))
with joblib.parallel_config("skextra", n_jobs=2):
    search.fit(X, y)

# %%
# What the monitor has recorded, one epoch per row. The path of a row says where in the search it
# was: the search, its first stage, the fit in it (a candidate's folds follow each other), and the
# epoch.

candidates = search.cv_results_["params"]
curves = {}
for row in monitor.get_logs().data:
    if row["task_name"] == "epoch":
        _, _, fit, _ = row["task_id_path"]
        candidate, fold = divmod(fit, search.n_splits_)
        curves.setdefault((candidates[candidate]["architecture"], fold), []).append(row)

# %%
# On the left what each fit makes of its own training half, on the right of the other half, which
# is what the search compares. All three learn their own half; only the convolutions find what the
# other half shares with it.

fig, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), layout="constrained", width_ratios=[2, 1], sharey=True
)
colors = {candidate["architecture"]: f"C{place}" for place, candidate in enumerate(candidates)}
for (architecture, fold), rows in curves.items():
    left.plot(
        range(1, len(rows) + 1),
        [row["accuracy"] for row in rows],
        color=colors[architecture],
        linestyle=["-", "--"][fold],
        label=architecture if fold == 0 else None,
    )
left.set(xlabel="epoch", ylabel="accuracy", title="training half (dashed: second fold)")
left.legend()
right.bar(list(colors), search.cv_results_["mean_test_score"], color=list(colors.values()))
right.set_title("other half, mean of two folds")
right.axhline(1 / 4, color="black", linestyle=":", label="chance")
right.legend(loc="upper left")
plt.show()
