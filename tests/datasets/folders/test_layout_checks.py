"""Layouts of published data sets: loaded right, or refused with what to pass."""

import re

import pytest

from skextra.datasets import load_image_folder
from tests.pictures import gray

SPLITS = {
    "Kaggle, Training and Testing": ["Training/a", "Training/b", "Testing/a", "Testing/b"],
    "a test part lacks a class": ["train/a", "train/b", "test/b"],
    "a flat test folder": ["train/a", "train/b", "test"],
    "all flat": ["train", "test"],
    "two validation parts": ["train/a", "train/b", "val/a", "val/b", "test/a", "test/b"],
    "words around the name": ["train_images/a", "train_images/b", "test_images"],
    "a prefix, wrapped twice": ["seg_train/seg_train/a", "seg_train/seg_train/b",
                                "seg_test/seg_test/a", "seg_test/seg_test/b", "seg_pred/seg_pred"],
    "numbered": ["stage1_train/a", "stage1_train/b", "stage1_test"],
    "one part among classes": ["a", "b", "test/a", "test/b"],
    "flat images to predict": ["no", "yes", "pred"],
    "YOLO": ["train/images", "train/labels", "valid/images", "valid/labels"],
}  # fmt: skip


@pytest.mark.parametrize("folders", SPLITS.values(), ids=SPLITS)
def test_parts_of_a_split_are_refused(write, folders):
    folder = write({f"{name}/1.png": gray(1) for name in folders})
    with pytest.raises(ValueError, match="of a split and not classes"):
        load_image_folder(folder)


@pytest.mark.parametrize(
    "layout",
    ["Kaggle, Training and Testing", "a flat test folder", "a prefix, wrapped twice"],
)
def test_paths_in_split_message_load(write, layout):
    folder = write({f"{name}/1.png": gray(1) for name in SPLITS[layout]})
    with pytest.raises(ValueError, match="container_path=") as caught:
        load_image_folder(folder)
    paths = eval(re.search(r"container_path=(\[.*?\])", str(caught.value)).group(1))
    assert "rain" in paths[0].removeprefix(
        str(folder)
    )  # what is copied trains on the training part
    for part in load_image_folder(paths):
        assert part.target_names.tolist() == ["a", "b"]


def test_parts_named_as_categories_are_classes(write):
    folder = write({"train/1.png": gray(1), "test/2.png": gray(2)})
    bunch = load_image_folder(folder, categories=["train", "test"])
    assert bunch.target_names.tolist() == ["test", "train"]


@pytest.mark.parametrize("names", [["car", "plane", "train"], ["bullet_train", "tram"]])
def test_trains_are_a_class(write, names):
    folder = write({f"{name}/1.png": gray(1) for name in names})
    assert load_image_folder(folder).target_names.tolist() == names


AMBIGUOUS = {
    "hospitals above classes": ["A/no", "A/yes", "B/no", "B/yes"],
    "sequences above classes": ["T1/no", "T1/yes", "T2/no", "T2/yes"],
    "numbered folds above grades": ["fold1/grade2", "fold1/grade3", "fold2/grade2"],
    "parts below classes": ["no/train", "no/test", "yes/train", "yes/test"],
    "planes below classes": ["no/axial", "no/sagittal", "yes/axial"],
}


@pytest.mark.parametrize("folders", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_two_levels_of_classes_are_refused(write, folders):
    folder = write({f"{name}/1.png": gray(1) for name in folders})
    with pytest.raises(ValueError, match="either level may be the classes") as caught:
        load_image_folder(folder)
    categories = eval(re.search(r"categories=(\[.*?\])", str(caught.value)).group(1))
    bunch = load_image_folder(folder, categories=categories)
    assert bunch.target_names.tolist() == sorted({name.split("/")[0] for name in folders})


@pytest.mark.parametrize(
    "name", ["patient_{}", "BraTS20_Training_00{}", "sub-0{}", "fold{}", "set {}"]
)
def test_numbered_patients_are_no_classes(write, name):
    names = [name.format(i) for i in (1, 2)]
    folder = write({f"{name}/x.png": gray(1) for name in names})
    with pytest.raises(ValueError, match="are numbered like patients, scans or folds"):
        load_image_folder(folder)
    assert load_image_folder(folder, categories=names).target_names.tolist() == names


def test_copy_of_the_data_beside_it_is_refused(write):
    """The Kaggle set "Brain MRI Images" holds itself once more."""
    names = ["no", "yes", "brain_tumor_dataset/no", "brain_tumor_dataset/yes"]
    folder = write({f"{name}/1.png": gray(1) for name in names})
    with pytest.raises(ValueError, match=r"categories=\['no', 'yes'\]"):
        load_image_folder(folder)
    assert len(load_image_folder(folder, categories=["no", "yes"]).images) == 2


@pytest.mark.parametrize(
    "folders",
    [
        ["glioma/patient_1", "glioma/patient_2", "notumor/patient_1"],
        ["HGG/BraTS19_1", "HGG/BraTS19_2", "LGG/BraTS19_3"],
        ["yes/yes", "no/no"],
        ["1", "2", "3"],
        ["grade 2", "grade 3"],
    ],
    ids=["numbered patients", "BraTS slices", "zipped twice", "figshare classes", "grades"],
)
def test_unambiguous_levels_are_loaded(write, folders):
    folder = write({f"{name}/x.png": gray(1) for name in folders})
    bunch = load_image_folder(folder)
    assert bunch.target_names.tolist() == sorted({name.split("/")[0] for name in folders})
    assert len(bunch.images) == len(folders)


@pytest.mark.parametrize("wrapper", ["archive", "a/b/c"])
def test_wrapper_folder_is_named(write, wrapper):
    folder = write({f"{wrapper}/{name}/1.png": gray(1) for name in ("no", "yes")})
    with pytest.raises(ValueError, match="Found the one folder") as caught:
        load_image_folder(folder)
    assert f"give container_path={str(folder / wrapper)!r}" in str(caught.value)


def test_flat_images_with_a_table_are_explained(write):
    folder = write({"1.png": gray(1), "2.png": gray(1), "labels.csv": b"1,a"})
    with pytest.raises(ValueError, match="If a table names the class of each file"):
        load_image_folder(folder)


def test_images_beside_labels_are_refused(write):
    folder = write({"images/1.png": gray(1), "masks/1.png": gray(1)})
    with pytest.raises(ValueError, match="are images and their masks or labels, not classes"):
        load_image_folder(folder)


@pytest.mark.parametrize("names", [("Glioma", "glioma"), ("no tumor", "no_tumor"), ("a", "a ")])
def test_names_alike_are_refused(write, names):
    folder = write({f"{name}/1.png": gray(1) for name in (*names, "other")})
    with pytest.raises(ValueError, match="differ only in case or spacing"):
        load_image_folder(folder)
    assert len(load_image_folder(folder, categories=names).target_names) == 2


# Masks.

MASKS = {
    "a folder of masks": ["a/1.png", "a/masks/1.png"],
    "images and masks": ["a/images/1.png", "a/Masks/1.png", "b/2.png"],
    "BUSI": ["a/benign (1).png", "a/benign (1)_mask.png", "a/benign (2).png"],
    "BUSI, second mask": ["a/benign (1).png", "a/benign (1)_mask_1.png"],
    "LGG": ["a/TCGA_CS_1/TCGA_CS_1_1.tif", "a/TCGA_CS_1/TCGA_CS_1_1_mask.tif"],
    "BraTS slices": ["a/BraTS20_001_flair_75.png", "a/BraTS20_001_seg_75.png"],
}


@pytest.mark.parametrize("files", MASKS.values(), ids=MASKS)
def test_masks_among_images_are_refused(write, files):
    folder = write(dict.fromkeys([*files, "b/other.png"], gray(1)))
    with pytest.raises(ValueError, match="looks like a segmentation mask") as caught:
        load_image_folder(folder)
    exclude = eval(re.search(r"exclude=(\[.*?\])", str(caught.value)).group(1))
    kept = load_image_folder(folder, exclude=exclude).filenames
    assert len(kept) == len({*files, "b/other.png"}) - 1
    assert len(load_image_folder(folder, exclude=[]).filenames) == len(kept) + 1


def test_classes_of_face_masks_are_loaded(write):
    names = ["with_mask/with_mask_1", "with_mask/with_mask_2", "without_mask/1", "mask/1"]
    folder = write({f"{name}.png": gray(1) for name in names})
    assert len(load_image_folder(folder).images) == 4


@pytest.mark.parametrize("exclude", ["masks", [1]])
def test_bad_exclude_is_named(write, exclude):
    with pytest.raises(ValueError, match=r"exclude=.* is not a list of str"):
        load_image_folder(write({"a/1.png": gray(1), "b/1.png": gray(1)}), exclude=exclude)
