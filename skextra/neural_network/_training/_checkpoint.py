"""Where a long fit is, on disk, so that one that was killed can go on."""

import importlib.metadata
import io
import pickle
import warnings
from pathlib import Path
from time import perf_counter

import torch

from skextra._atomic import remove_parts, write_whole
from skextra._fingerprint import Fingerprinter, note_imports

_FORMAT = 1
# A fit that stores its state after every epoch would spend its time on that where epochs are
# short: at most this share of the time goes there.
_SHARE_OF_TIME = 0.05

note_imports()  # a training runs in this process, maybe with modules whose files are edited then


class Checkpoint:
    """The file in which one fit stores its state.

    Its name is made of all that decides the fit. So fits with other data, parameters or initial
    weights have other files in the same folder, and none goes on from the state of another.

    Parameters
    ----------
    folder : str or path
        Where the file is; made if it is not there.
    settings : object
        What decides the fit beside the arrays: parameters, recipe, classes.
    arrays : list of ndarray or bytes
        The training set, or what stands for its content.
    module : torch.nn.Module
        The network with its initial weights.
    """

    def __init__(self, folder, settings, arrays, module):
        weights = [tensor.detach().cpu().numpy() for tensor in module.state_dict().values()]
        versions = importlib.metadata.version("skextra"), torch.__version__
        fingerprinter = Fingerprinter()
        parts = _FORMAT, versions, settings, arrays, weights
        key = fingerprinter.fingerprint(parts).hex()[:32]
        edited = fingerprinter.edited_module()
        if edited is not None:
            raise ValueError(
                f"checkpoint: the module {edited[0]} may run in another state than its file "
                f"{edited[1]} has now: that was changed after this program imported it. Import it "
                "again (importlib.reload), or start the program again."
            )
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = Path(folder, f"fit-{key}.ckpt")
        self._saved, self._cost = -float("inf"), 0.0

    def load(self):
        """Return the state that a fit which was killed has left, or None."""
        if not self.path.exists():
            return None
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError) as error:
            warnings.warn(
                f"checkpoint: {self.path} cannot be read and is written anew: the fit starts at "
                f"its first epoch. ({error})",
                UserWarning,
                stacklevel=4,
            )
            return None

    def save(self, state):
        """Store the state, unless that would take too much of the time."""
        started = perf_counter()
        if started - self._saved < self._cost / _SHARE_OF_TIME:
            return
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self.path, content.getbuffer())
        self._saved = perf_counter()
        self._cost = self._saved - started

    def remove(self):
        """Remove the file of a fit that has ended."""
        self.path.unlink(missing_ok=True)
        remove_parts(self.path)
