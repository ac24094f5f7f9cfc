"""TumorCNNClassifier: the estimator contract."""

from __future__ import annotations

import contextlib
import copy
import os
import time
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from scipy.special import log_softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skextra._sklearn import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_partial_fit_first_call,
    doc_link_template,
    fit_context,
    with_callbacks,
)
from skextra.neural_network._features import FeatureExtractor
from skextra.neural_network._html import NotebookTableMixin
from skextra.neural_network._inputs._augmentation import AUGMENTATIONS
from skextra.neural_network._inputs._images import (
    ImageTransform,
    are_pixels,
    network_size,
    pixels_of,
)
from skextra.neural_network._inputs._rows import Rows
from skextra.neural_network._inputs._samples import hold_out, weigh
from skextra.neural_network._inputs._validation import (
    check_checkpoint,
    check_class_weight,
    check_rows,
    check_training_set,
)
from skextra.neural_network._networks._architectures import (
    build_module,
    find_architecture,
    is_ours,
)
from skextra.neural_network._networks._callables import are_same
from skextra.neural_network._prediction import logits
from skextra.neural_network._state import plain_state, restore_attributes
from skextra.neural_network._training._checkpoint import Checkpoint
from skextra.neural_network._training._fit_in_progress import (
    BestEpoch,
    Training,
    train_one_epoch,
)
from skextra.neural_network._training._net import Batches, build_net
from skextra.neural_network._training._runtime import (
    private_generator,
    torch_device,
    training_turn,
)
from skextra.neural_network._training._schedules import make_schedule
from skextra.neural_network._transfer import copy_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from numpy.typing import ArrayLike, NDArray
    from sklearn.frozen import FrozenEstimator
    from sklearn.utils import Tags
    from skorch import NeuralNet

    from skextra._types import Augmentation, FilePath, NetworkMaker, RandomState

_AUTO = StrOptions({"auto"})
_RECIPE_PARAMETERS = (
    "image_size",
    "max_epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "optimizer",
    "lr_scheduler",
    "dropout",
    "label_smoothing",
    "augmentation",
)

# Private results of a fit; the others end in an underscore.
_PRIVATE_RESULTS = {"_seen", "_transform", "_generator_state", "_origin"}
_PROGRESS = ("n_iter_", "best_epoch_", "loss_curve_", "validation_scores_", "recipe_")
UNSEEN = 1000.0  # how far under all others the logit of a class is that no row had


class TumorCNNClassifier(
    NotebookTableMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    BaseEstimator,
):
    r"""Convolutional network for brain MRI slices and other small images.

    A scikit-learn classifier around a skorch net: it takes arrays of images or flat rows, works
    in pipelines, searches and cross-validation, and is deterministic for an integer
    `random_state`. It is a programming exercise on medical images, never medical advice.

    Parameters
    ----------
    architecture : str or callable, default="resnet"
        The network: a name, or a callable that makes it. ``"resnet"`` has residual blocks [2]_,
        ``"mobilenet"`` inverted residuals with depthwise convolutions [3]_. ``"sequential"`` is
        the reference: three 3x3 convolutions with 32, 64 and 128 channels, each followed by ReLU
        and 2x2 max-pooling, then 256 units with dropout. ``"mlp"`` (256 hidden units) and
        ``"linear"`` (softmax regression) are baselines. A class of :class:`torch.nn.Module`, or
        any other callable such as a function that returns a pretrained network, is called with
        the image shape ``(height, width, channels)`` that the network sees and the number of
        classes, and must return a module that returns logits. Weights with
        ``requires_grad=False`` stay as they are, and batch norms of such weights in evaluation
        mode.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)`` into which flat rows unfold. None
        takes a square where the number of features is one, else a strip of one row. For X of 3
        or 4 dimensions it has to agree with X.
    image_size : int or "auto", default="auto"
        Side in pixels at which the network sees the images. An integer resizes every image to
        that square, up or down; ``"auto"`` shrinks sides over the recipe's size to it and keeps
        smaller ones, at least 8.
    max_epochs : int or "auto", default="auto"
        Passes over the training set.
    batch_size : int or "auto", default="auto"
        Rows per update of the weights: 1 updates them after each row, ``n_samples`` or more
        once per epoch.
    learning_rate : float or "auto", default="auto"
        Step size of the optimizer.
    weight_decay : float or "auto", default="auto"
        Weight decay of the optimizer, if it has one.
    optimizer : str, callable or "auto", default="auto"
        Name of a class in :mod:`torch.optim`, "Muon", which here takes convolutions as well, or
        a callable such as ``functools.partial(torch.optim.SGD, momentum=0.9)``. The ``lr`` and
        ``weight_decay`` that a partial carries are used.
    lr_scheduler : str, callable, None or "auto", default="auto"
        Name of a class in :mod:`torch.optim.lr_scheduler`, which gets arguments that fit
        `max_epochs`, or a callable of the optimizer. None keeps the rate constant.
    dropout : float or "auto", default="auto"
        Share of units left out at random while training, in [0, 1).
    label_smoothing : float or "auto", default="auto"
        Share of the target probability spread over all classes, in [0, 1).
    augmentation : {"affine", "scan"}, callable, None or "auto", default="auto"
        ``"affine"`` mirrors, turns, shifts and scales each training image at random; ``"scan"``
        does so a little less and changes the contrast; a callable gets a batch tensor
        (n, channels, height, width) of pixels from -1 to 1 and returns it changed.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights.
    early_stopping : bool, default=False
        Hold out a part of the training set, stop when the accuracy on it no longer rises, and
        keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share held out for early stopping, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without a gain of more than `tol` after which early stopping stops.
    tol : float, default=1e-4
        See `n_iter_no_change`.
    warm_start : bool, default=False
        Start `fit` from the weights of the last one instead of new ones.
    init_from : TumorCNNClassifier, FrozenEstimator, str or path, default=None
        Where the first weights come from: a fitted classifier of the same architecture and number
        of channels, the same in :class:`sklearn.frozen.FrozenEstimator`, or the file in which
        :func:`skextra.neural_network.save_model` stored it. Its last layer is copied only if
        the classes are the same. In a search pass the frozen classifier or the file, as
        scikit-learn's `clone` removes what a classifier has learnt.
    checkpoint : str or path, default=None
        A folder in which `fit` stores its state, so that the same fit resumes from there after it
        was killed, and ends with the same bits as one that was not. Each fit has its own file,
        so that a search can share the folder; it is removed when the fit ends. `random_state`
        has to be an integer. None stores nothing.
    device : str, default="auto"
        A torch device such as ``"cpu"`` or ``"cuda:0"``. ``"auto"`` takes the device that the
        ``"skextra"`` backend has leased to the task, else CUDA, else MPS, else the CPU.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of the rows, dropout and augmentation. The global
        generators of torch are left as they were.
    verbose : int, default=0
        If greater than 0, print one line per epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_features_in_ : int
        Number of values per image or row: height times width times channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had string column names.
    image_shape_ : tuple of int
        (height, width, channels) of the images in X.
    recipe_ : dict
        The settings that were used, each ``"auto"`` filled in, and those that no parameter sets.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Mean training loss (cross-entropy in nats) of each epoch.
    validation_scores_ : list of float or None
        Accuracy on the part held out after each epoch; None without early stopping.
    preprocessing_ : dict
        What happens to X before the network: shapes, range of the pixels, scaling.
    best_epoch_ : int
        Epoch, counted from 1, whose weights are kept.
    n_parameters_ : int
        Number of weights and biases of the network.
    net_ : skorch.NeuralNet
        The trained net; None if the training set has a single class.

    See Also
    --------
    skextra.neural_network.save_model : Write a fitted classifier to a file without code.
    skextra.ScratchGaussianNB : A classifier for when features are few and time is short.

    Notes
    -----
    For weights :math:`w_i` with mean 1 over the training set, each update of the weights lowers
    the mean over a batch of :math:`w_i \, \ell(f(x_i), y_i)`, where :math:`\ell` is the
    cross-entropy of the softmax of the logits :math:`f(x)`. Rows of weight 0 are dropped and
    equal rows of one class merged beforehand, so a weight of 2 is the same as giving a row twice.
    A class whose rows all have weight 0 has probability 0.

    If a recipe smooths labels, its predictions divide the logits by a temperature [4]_, since
    smoothing makes the confidence of the network too low. The predicted classes stay the same.

    What happens to X before the network: pixels are scaled to [-1, 1], by the range of their type
    if they are 8- or 16-bit integers that reach a quarter of it, else by the range found in
    `fit`, without faulty pixels; flat rows that hold no pixels are features, and each is
    standardised; large sides shrink, small ones grow to 8. `preprocessing_` shows it.

    The optimizer of the recipes is AdamW [1]_; ``"resnet"`` has Muon [5]_ for its convolutions.
    When `fit` ends, the optimizer's state is dropped: it is twice as large as the weights.
    `partial_fit` keeps its own, in pickles as well.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
       :doi:`10.48550/arXiv.1711.05101`
    .. [2] K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition",
       CVPR 2016. :doi:`10.1109/CVPR.2016.90`
    .. [3] M. Sandler, A. Howard, M. Zhu, A. Zhmoginov and L.-C. Chen, "MobileNetV2: inverted
       residuals and linear bottlenecks", CVPR 2018. :doi:`10.1109/CVPR.2018.00474`
    .. [4] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017. :doi:`10.48550/arXiv.1706.04599`
    .. [5] K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
       https://kellerjordan.github.io/posts/muon/

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skextra import TumorCNNClassifier
    >>> digits = load_digits()
    >>> classifier = TumorCNNClassifier(max_epochs=3, random_state=0)
    >>> classifier.fit(digits.images[:1000], digits.target[:1000])
    TumorCNNClassifier(max_epochs=3, random_state=0)
    >>> classifier.score(digits.images[1000:], digits.target[1000:]) > 0.8
    True
    """

    _doc_link_module = "skextra"
    _doc_link_template = doc_link_template

    _parameter_constraints: dict = {
        "architecture": [str, callable],  # find_architecture suggests the nearest name
        "image_shape": [tuple, list, None],
        "image_size": [_AUTO, Interval(Integral, 8, None, closed="left")],
        "max_epochs": [_AUTO, Interval(Integral, 1, None, closed="left")],
        "batch_size": [_AUTO, Interval(Integral, 1, None, closed="left")],
        "learning_rate": [_AUTO, Interval(Real, 0, None, closed="neither")],
        "weight_decay": [_AUTO, Interval(Real, 0, None, closed="left")],
        "optimizer": [str, callable],
        "lr_scheduler": [str, callable, None],
        "dropout": [_AUTO, Interval(Real, 0, 1, closed="left")],
        "label_smoothing": [_AUTO, Interval(Real, 0, 1, closed="left")],
        "augmentation": [StrOptions({"auto", *AUGMENTATIONS}), callable, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "init_from": [str, os.PathLike, HasMethods("predict"), None],
        "checkpoint": [str, os.PathLike, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    classes_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray
    image_shape_: tuple[int, int, int]
    recipe_: dict[str, Any]
    n_iter_: int
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_epoch_: int
    net_: NeuralNet | None

    def __init__(
        self,
        *,
        architecture: str | NetworkMaker = "resnet",
        image_shape: tuple[int, ...] | None = None,
        image_size: int | Literal["auto"] = "auto",
        max_epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        weight_decay: float | Literal["auto"] = "auto",
        optimizer: str | Callable[..., torch.optim.Optimizer] = "auto",
        lr_scheduler: str | Callable[..., Any] | None = "auto",
        dropout: float | Literal["auto"] = "auto",
        label_smoothing: float | Literal["auto"] = "auto",
        augmentation: Literal["affine", "scan", "auto"] | Augmentation | None = "auto",
        class_weight: dict[Any, Any] | Literal["balanced"] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        init_from: TumorCNNClassifier | FrozenEstimator | FilePath | None = None,
        checkpoint: FilePath | None = None,
        device: str = "auto",
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.architecture = architecture
        self.image_shape = image_shape
        self.image_size = image_size
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.init_from = init_from
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network on images X of classes y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images, or flat rows that `image_shape` unfolds; numbers of any dtype, finite.
        y : array-like of shape (n_samples,)
            Class labels, numbers or strings.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None gives all rows the same weight.

        Returns
        -------
        self : TumorCNNClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described.
        FloatingPointError
            If the loss becomes infinite or NaN: it names the epoch, the batch and a likely cause.
        torch.OutOfMemoryError
            If the memory of the device does not suffice: it names the batch size.
        """
        check_checkpoint(self)
        with training_turn():
            # Others predict by the last fit until this one has ended.
            draft = self._snapshot()
            with self._unchanged_if_it_fails():
                draft._fit(X, y, sample_weight, self)
                self._publish(draft)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch on a batch of images, going on from where the last call ended.

        The scaling of the pixels or features is that of the first call, and the state of the
        optimizer that of the last one; after `fit` it begins anew. The learning rate is constant
        and weights are not averaged: both would need to know how many calls will follow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images or flat rows.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that any call will see; required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : TumorCNNClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described, or a label is not among the classes.
        """
        with training_turn():
            draft = self._snapshot()
            draft._partial_fit(X, y, classes, sample_weight, self)
            self._publish(draft)
        return self

    def _snapshot(self):
        """Return an estimator with the present parameters and results, whatever becomes of this.

        A fit works on one and publishes it at its end; a prediction reads one.
        """
        snapshot = object.__new__(type(self))
        snapshot.__dict__.update(self.__dict__)
        return snapshot

    def _publish(self, draft):
        """Take over the results of a draft in one assignment: no reader sees half of them."""
        others = {name: value for name, value in vars(self).items() if not _is_result(name)}
        self.__dict__ = others | draft._results()

    @contextlib.contextmanager
    def _unchanged_if_it_fails(self):
        """Take back what callbacks were shown of a fit, if that fails before it is published."""
        before = vars(self)
        saved = dict(before)
        try:
            yield
        except BaseException:
            if vars(self) is before:
                self.__dict__ = saved
            raise

    def _show_progress(self, draft):
        """Let callbacks, which get this estimator, see how far the fit of a draft is."""
        vars(self).update({name: vars(draft)[name] for name in _PROGRESS})

    def _results(self):
        """Return the attributes that a fit sets."""
        return {name: value for name, value in vars(self).items() if _is_result(name)}

    def _fit(self, X, y, sample_weight, owner):
        """Train as `fit` does and report to the callbacks of `owner`."""
        goes_on = self.warm_start and hasattr(self, "net_")
        rows, y, weights = check_training_set(self, X, y, sample_weight, reset=not goes_on)
        classes, codes = np.unique(y, return_inverse=True)
        if goes_on and not np.array_equal(self.classes_, classes):
            raise ValueError(
                f"warm_start=True goes on with the classes {self.classes_} of the last fit, but y "
                f"has {classes}. Give the same classes, or a new estimator with "
                "init_from=FrozenEstimator(this one), which keeps the features."
            )
        if goes_on:
            self._refuse_another_network("warm_start=True")
            self._transform.warn_of_other_range(rows, stacklevel=6)
        self.classes_ = classes
        check_class_weight(self.class_weight, classes)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        index, weights = weigh(rows, codes, weights, self.class_weight, classes)
        rows, codes = Rows(rows, index), codes[index]
        self._seen = np.isin(np.arange(len(classes)), codes)
        module = copy.deepcopy(self.net_.module_) if goes_on and self.net_ is not None else None
        with private_generator(seed, torch_device(self.device)) as get_state:
            self._start_net(rows, weights, are_images=pixels_of(X) is not None, module=module)
            if self.net_ is not None:
                self._train(X, y, rows, codes, weights, seed, owner)
            self._generator_state = get_state().numpy()

    def _partial_fit(self, X, y, classes, sample_weight, owner):
        """Train as `partial_fit` does."""
        first_call = check_partial_fit_first_call(self, classes)
        rows, y, weights = check_training_set(self, X, y, sample_weight, reset=first_call)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y has the labels {unknown}, which are not among the classes {self.classes_} of "
                "the first call to partial_fit."
            )
        check_class_weight(self.class_weight, self.classes_)
        codes = np.searchsorted(self.classes_, y)
        index, weights = weigh(rows, codes, weights, self.class_weight, self.classes_)
        rows, codes = Rows(rows, index), codes[index]
        if first_call:
            self._seen = np.zeros(len(self.classes_), dtype=bool)
        else:
            self._refuse_another_network("partial_fit")
            self._transform.warn_of_other_range(rows, stacklevel=6)
        if first_call or self._origin[-1] is not self.random_state:
            random_state = check_random_state(self.random_state)
            self._generator_state = random_state.randint(np.iinfo(np.int32).max)
        self._seen = self._seen | np.isin(np.arange(len(self.classes_)), codes)
        device = torch_device(self.device)
        with private_generator(_as_state(self._generator_state), device) as get_state:
            if first_call:
                self._start_net(rows, weights, are_images=pixels_of(X) is not None)
            elif self.net_ is not None:
                self._go_on_with_net(len(rows))
            self._origin = self._present_origin()
            if self.net_ is not None:
                self.net_.move_to(device)
                self.net_.is_streamed = True
                self._train_pass(self._batches(rows, codes, weights), owner)
            self._generator_state = get_state().numpy()

    def _train_pass(self, batches, owner):
        """Go once through the batches of a call to `partial_fit`."""
        try:
            loss = train_one_epoch(self.net_, batches, epoch=self.n_iter_ + 1)
        except KeyboardInterrupt:
            self.net_.end_training(keep_optimizer=True)
            self._generator_state = torch.default_generator.get_state().numpy()
            owner._publish(self)
            raise
        self.net_.end_training(keep_optimizer=True)
        self.loss_curve_ = [*self.loss_curve_, loss]
        self.n_iter_ = self.best_epoch_ = self.n_iter_ + 1

    def _start_net(self, rows, weights, *, are_images, module=None):
        """Decide scaling and recipe and build the net, around new weights or those of `module`."""
        _, recipe = find_architecture(self.architecture)
        if module is None:
            are_features = not are_pixels(
                rows,
                self.image_shape_,
                are_images=are_images,
                is_told=self.image_shape is not None,
            )
            size = self._network_size(are_features)
            self._transform = ImageTransform.from_data(
                rows, weights, self.image_shape_, size, are_features=are_features
            )
            self._origin = self._present_origin()
        self.recipe_ = self._resolve(recipe, len(rows))
        self._transform = replace(self._transform, standardises=self.recipe_["standardise_images"])
        self.loss_curve_, self.validation_scores_ = [], None
        self.n_iter_ = self.best_epoch_ = 0
        self.net_ = None
        if len(self.classes_) > 1:
            module = module or self._new_module()
            self.net_ = build_net(
                module,
                self.recipe_,
                torch_device(self.device),
                len(self.classes_),
                channels_last=is_ours(module),
            )

    def _network_size(self, are_features):
        """Return the (height, width) that the parameters ask for."""
        resize_up = self.image_size != "auto"
        image_size = self.image_size
        if not resize_up:
            image_size = find_architecture(self.architecture)[1].image_size
        return network_size(
            self.image_shape_, image_size, resize_up=resize_up, are_features=are_features
        )

    def _resolve(self, recipe, n_samples):
        return recipe.resolve(
            {name: getattr(self, name) for name in _RECIPE_PARAMETERS},
            n_samples=n_samples,
            size=self._transform.size,
            are_features=self._transform.are_features,
            device=torch_device(self.device),
        )

    def _go_on_with_net(self, n_samples):
        """Train on with a copy of the net, as the present parameters say."""
        recipe = self._resolve(find_architecture(self.architecture)[1], n_samples)
        if self.max_epochs == "auto":  # as many as the first rows needed: no call asks for it
            recipe["max_epochs"] = self.recipe_["max_epochs"]
        self.recipe_ = recipe
        self.net_ = self.net_.copy_to_train()
        self.net_.take_recipe(recipe)

    def _present_origin(self):
        """Return the parameters that decide a network at its beginning."""
        return (self.architecture, self.init_from, self.random_state)

    def _refuse_another_network(self, doing):
        """Refuse parameters that ask for another network than the one that is trained on."""
        architecture, init_from, _ = self._origin
        changed = {}
        if not are_same(self.architecture, architecture):
            changed["architecture"] = (architecture, self.architecture)
        if self.init_from is not init_from and self.init_from != init_from:
            changed["init_from"] = (init_from, self.init_from)
        size = self._transform.size
        if not changed and self._network_size(self._transform.are_features) != size:
            changed["image_size"] = (f"{size} (height, width)", self.image_size)
        if not changed and self.dropout not in ("auto", self.recipe_["dropout"]):
            changed["dropout"] = (self.recipe_["dropout"], self.dropout)
        for name, (before, now) in changed.items():
            raise ValueError(
                f"{doing} goes on with the network of the last call, which has {name}={before!r}; "
                f"it cannot become one of {name}={now!r}. Set {name} back, or make a new "
                "estimator (init_from=FrozenEstimator(this one) keeps the features)."
            )

    def _new_module(self):
        image_shape = (*self._transform.size, self.image_shape_[2])
        module = build_module(
            self.architecture, image_shape, len(self.classes_), self.recipe_["dropout"]
        )
        if self.init_from is not None:
            copy_from(self.init_from, module, self.classes_)
        return module

    def _batches(self, rows, codes, weights):
        augmentation = self.recipe_["augmentation"]
        if isinstance(augmentation, str):
            augmentation = AUGMENTATIONS[augmentation]
        return Batches(
            images=self._transform.load_or_stream(rows),
            codes=torch.from_numpy(codes),
            weights=torch.from_numpy(weights).float(),
            batch_size=self.recipe_["batch_size"],
            to_pixels=self._transform.to_pixels,
            augment=augmentation,
            to_input=self._transform.to_input,
            device=torch.device(self.net_.device),
            memory_format=self.net_.memory_format,
        )

    def _train(self, X, y, rows, codes, weights, seed, owner):
        """Run the epochs, reporting each to scikit-learn's callbacks of `owner`."""
        training_part = held_out = slice(None)
        best = None
        if self.early_stopping:
            training_part, held_out = hold_out(codes, self.validation_fraction, seed)
            best = BestEpoch(self.n_iter_no_change, self.tol)
        batches = self._batches(
            rows.subset(training_part), codes[training_part], weights[training_part]
        )
        n_epochs = self.recipe_["max_epochs"]
        self.net_.average_weights()
        schedule = make_schedule(self.recipe_["lr_scheduler"], self.net_, n_epochs, batches)
        training = Training(self.net_, batches, schedule, n_epochs, best)
        self.loss_curve_ = training.loss_curve
        self.validation_scores_ = training.validation_scores
        checkpoint = self._resume(training, [rows.digest(), codes, weights])
        root = owner._init_callback_context(max_subtasks=n_epochs)
        root.call_on_fit_task_begin(estimator=owner, X=X, y=y)
        try:
            arrays = rows, codes, weights
            self._run_epochs(training, checkpoint, root, X, y, arrays, held_out, owner)
        except KeyboardInterrupt:
            if self.net_.has_learnt:
                # What was learnt until then predicts, can be stored and be trained on.
                self.n_iter_ = training.epoch = len(training.loss_curve)
                self.best_epoch_ = training.finish()
                self._generator_state = torch.default_generator.get_state().numpy()
                owner._publish(self)
            raise
        self.best_epoch_ = training.finish()
        if checkpoint is not None:
            checkpoint.remove()
        root.call_on_fit_task_end(
            estimator=owner, X=X, y=y, reconstruction_attributes=self._results()
        )

    def _run_epochs(self, training, checkpoint, root, X, y, arrays, held_out, owner):
        rows, codes, weights = arrays
        started = time.perf_counter()
        stop = False
        while not (stop or training.is_over):
            context = root.subcontext(task_name="epoch")
            owner._show_progress(self)
            context.call_on_fit_task_begin(estimator=owner, X=X, y=y)
            training.run_epoch()
            self.n_iter_ = self.best_epoch_ = training.epoch
            line = f"epoch {self.n_iter_}/{training.n_epochs}  loss {self.loss_curve_[-1]:.4f}"
            if training.best is not None:
                predicted = self._logits_of(rows.subset(held_out)).argmax(axis=1)
                score = float(np.average(predicted == codes[held_out], weights=weights[held_out]))
                training.note_score(score)
                line += f"  validation accuracy {score:.4f}"
            if self.verbose:
                print(f"{line}  {time.perf_counter() - started:.1f} s", flush=True)
            if checkpoint is not None:
                checkpoint.save(training.state_dict())
            owner._show_progress(self)
            stop = context.call_on_fit_task_end(
                estimator=owner, X=X, y=y, reconstruction_attributes=self._results()
            )

    def _resume(self, training, arrays):
        """Put a training where its checkpoint is, and return the checkpoint, if there is one."""
        if self.checkpoint is None:
            return None
        settings = self.get_params(deep=False)
        for irrelevant in ("checkpoint", "verbose", "init_from"):  # init_from: see the weights
            del settings[irrelevant]
        what_runs = [type(self), type(self.net_.module_), type(training.net.optimizer_)]
        what_runs.append(training.batches.augment)
        checkpoint = Checkpoint(
            self.checkpoint,
            (settings, self.recipe_, self.classes_, what_runs),
            arrays,
            self.net_.module_,
        )
        state = checkpoint.load()
        if state is not None:
            training.load_state_dict(state)
            self.n_iter_ = training.epoch
            if self.verbose:
                print(f"goes on after epoch {training.epoch} from {checkpoint.path}", flush=True)
        return checkpoint

    def _fitted(self):
        """Return what was published last, to be read in peace."""
        check_is_fitted(self)
        return self._snapshot()

    def _logits(self, X, stacklevel=5):
        """Return the logits of X as float64 of shape (n_samples, n_classes)."""
        rows = self._rows_to_predict(X, stacklevel + 1)
        if self.net_ is None:
            return np.zeros((len(rows), 1))
        scores = self._logits_of(rows)
        if not self._seen.all():
            # No row of these classes had any weight. Their probability rounds to 0, and the value
            # is a number that calibration can take.
            least = scores[:, self._seen].min(axis=1, keepdims=True)
            scores[:, ~self._seen] = least - UNSEEN
        return scores

    def _rows_to_predict(self, X, stacklevel):
        """Return X as rows, and have the net compute where the parameter `device` says."""
        rows = check_rows(self, X, reset=False)
        if self.net_ is not None:
            self._transform.warn_of_other_range(rows, stacklevel)
            self.net_.move_to(self._prediction_device())
        return rows

    def _features_of(self, rows):
        """Return what the last layer gets for rows, as float64."""
        if self.net_ is None:
            raise ValueError(
                "transform needs a network, but the training set had one class only. Fit on two "
                "classes or more."
            )
        flip = self.recipe_["flip_at_prediction"]
        return logits(self.net_, self._transform, rows, flip=flip, adapt=FeatureExtractor)

    @property
    def _n_features_out(self):
        """Number of features that `transform` returns, which get_feature_names_out asks for."""
        fitted = self._fitted()
        if fitted.net_ is None:  # a notebook asks for their names, whatever was fitted
            return 0
        return fitted._features_of(np.zeros((1, fitted.n_features_in_), np.float32)).shape[1]

    def _log_proba(self, X):
        logarithms = log_softmax(self._logits(X, stacklevel=6), axis=1)
        if self.net_ is not None:
            logarithms[:, ~self._seen] = -np.inf
        return logarithms

    def _logits_of(self, rows):
        flip = self.recipe_["flip_at_prediction"]
        scores = logits(self.net_, self._transform, rows, flip=flip)
        return scores / self.recipe_["temperature"]

    def _prediction_device(self):
        """Return the device of the parameter, or the CPU where there is no such device."""
        device = torch_device(self.device)
        if device.type == "cuda" and not torch.cuda.is_available():
            return torch.device("cpu")
        return device

    @property
    def preprocessing_(self) -> dict[str, Any]:
        """What happens to X before the network: a dict of shapes, range and scaling."""
        transform = self._transform
        return {
            "image_shape": self.image_shape_,
            "network_size": transform.size,
            "are_features": transform.are_features,
            "pixel_range": None if transform.are_features else transform.pixel_range,
            "clips": transform.clips,
            "standardise_images": transform.standardises,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and results as plain values and arrays."""
        return plain_state(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state of `__getstate__`, or one of an older version."""
        restore_attributes(self, state)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the logits of each class, or their difference for two classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images or flat rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples,), dtype float64
            Divided by the recipe's temperature; for two classes the logit of ``classes_[1]``
            less that of ``classes_[0]``.
        """
        scores = self._fitted()._logits(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images or flat rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            The columns stand in the order of `classes_`.
        """
        return self._fitted()._log_proba(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images or flat rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            Each row sums to 1; the columns stand in the order of `classes_`.
        """
        return np.exp(self._fitted()._log_proba(X))

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the features that the last layer of the network gets, for other classifiers.

        In a pipeline, :class:`sklearn.frozen.FrozenEstimator` keeps a fitted network from being
        fitted again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images or flat rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), dtype float64
            Features, flattened; means of those of the image and its mirror image where
            predictions ask both.

        Raises
        ------
        ValueError
            If the training set had one class, as there is no network then.
        """
        fitted = self._fitted()
        return fitted._features_of(fitted._rows_to_predict(X, stacklevel=5))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, channels)
            Images or flat rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels from `classes_`.
        """
        fitted = self._fitted()
        return fitted.classes_[fitted._logits(X).argmax(axis=1)]

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether a fit was published; its progress alone does not predict."""
        return "net_" in vars(self)

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's description of what the estimator takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _is_result(name):
    """Return whether an attribute is what a fit has found."""
    return name in _PRIVATE_RESULTS or (name.endswith("_") and not name.startswith("_"))


def _as_state(seed_or_state):
    """Return a seed, or the state of a generator as a tensor of its own."""
    if isinstance(seed_or_state, np.ndarray):
        return torch.tensor(seed_or_state)
    return seed_or_state
