"""
A training that is killed and goes on
=====================================

A long fit is killed in the middle, by the signal that nothing can catch. The same lines run again
go on where it was, and end with the same bits as a fit that nobody disturbed.
"""

# %%
# The program: a residual network on the handwritten digits. It writes the trained model to a file.

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model

PROGRAM = """
from sklearn.datasets import load_digits
from skextra import TumorCNNClassifier
from skextra.neural_network import save_model

digits = load_digits()
classifier = TumorCNNClassifier(
    architecture="resnet", max_epochs=12, checkpoint="checkpoints", random_state=0, verbose=1
)
classifier.fit(digits.images[:900], digits.target[:900])
save_model(classifier, "digits.safetensors")
"""

folder = tempfile.TemporaryDirectory()
checkpoints = Path(folder.name, "checkpoints")


def start():
    """Start the program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=folder.name, stdout=subprocess.PIPE, text=True
    )


# %%
# Start it, and kill it as soon as it has stored something.

program = start()
while program.poll() is None and not list(checkpoints.glob("fit-*.ckpt")):
    time.sleep(0.02)
program.kill()
print(program.communicate()[0])

# %%
# Start it again.

program = start()
print(program.communicate()[0])

# %%
# An undisturbed fit has the same losses, and its predictions are the same to the last bit. The
# model comes from the file that the program wrote, which holds no code.

digits = load_digits()
resumed = load_model(Path(folder.name, "digits.safetensors"))
undisturbed = TumorCNNClassifier(architecture="resnet", max_epochs=12, random_state=0)
undisturbed.fit(digits.images[:900], digits.target[:900])
same = np.array_equal(
    resumed.predict_proba(digits.images[900:]), undisturbed.predict_proba(digits.images[900:])
)
print("same bits:", same, "- left in the folder:", list(checkpoints.iterdir()))

# %%
# What it has learnt, on digits that it has not seen.

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.plot(range(1, 13), resumed.loss_curve_, label="killed and resumed", linewidth=4, alpha=0.5)
left.plot(range(1, 13), undisturbed.loss_curve_, label="undisturbed", linestyle="--")
left.set(xlabel="epoch", ylabel="training loss (nats)")
left.legend()
ConfusionMatrixDisplay.from_estimator(
    resumed, digits.images[900:], digits.target[900:], ax=right, colorbar=False
)
right.set_title(f"accuracy {resumed.score(digits.images[900:], digits.target[900:]):.3f}")
plt.show()

folder.cleanup()
