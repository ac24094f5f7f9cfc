"""Files that are no pictures: medical volumes and arrays, by name, and how to make pictures."""

# What images and volumes are called, to tell them from notes and tables.
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm",
    ".dcm", ".dicom", ".ima", ".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".mat", ".npy",
)  # fmt: skip

_NIFTI = "NIfTI volume, not a picture: make slices of it with nibabel"
FRAMES = "DICOM file of several frames, not a picture: save its frames with pydicom"

_NIFTI_LINES = """\
    gray = nibabel.as_closest_canonical(nibabel.load("scan.nii.gz")).get_fdata()
    gray = numpy.clip(gray * 255 / numpy.percentile(gray, 99.5), 0, 255).astype("uint8")
    for k in range(gray.shape[2]): Image.fromarray(numpy.rot90(gray[:, :, k])).save(f"{k:03}.png")
"""
_FRAMES_LINES = """\
    frames = pydicom.dcmread("scan.dcm").pixel_array.astype("uint16")
    for k, frame in enumerate(frames): Image.fromarray(frame).save(f"{k:03}.png")
"""
_WAYS_OUT = {
    _NIFTI: "Slices of a NIfTI volume, after `pip install nibabel` and "
    "`import nibabel, numpy; from PIL import Image`:\n" + _NIFTI_LINES,
    FRAMES: "Frames of a DICOM file, after `import pydicom; from PIL import Image`:\n"
    + _FRAMES_LINES,
}


def other_format(head, name):
    """Return why a file is no picture, or None if it may be one.

    Parameters
    ----------
    head : bytes
        The first 352 bytes of the file.
    name : str
        Its name.

    Returns
    -------
    str or None
    """
    name = name.lower()
    if name.endswith((".nii", ".nii.gz")) or head[344:348] in (b"n+1\0", b"ni1\0"):
        return _NIFTI
    if name.endswith((".mha", ".mhd", ".nrrd")) or head.startswith(b"NRRD"):
        return "MetaImage or NRRD volume, not a picture: save its slices as PNG with SimpleITK"
    if name.endswith(".mat") or head.startswith(b"MATLAB"):
        return (
            "MATLAB file, not a picture: save the image in it as PNG, read by scipy.io.loadmat "
            "or, from version 7.3 on, by h5py"
        )
    if head.startswith(b"\x89HDF"):
        return "HDF5 file, not a picture: save the images in it as PNG with h5py"
    if head.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        return "array or archive, not a picture: save the images in it as PNG"
    return None


def ways_out(reasons):
    """Return lines of code that make pictures of such files.

    Parameters
    ----------
    reasons : iterable of str
        What `other_format` and `decode_file` said.

    Returns
    -------
    list of str
        One text for each kind of file that needs code.
    """
    return [text.rstrip() for reason, text in _WAYS_OUT.items() if reason in set(reasons)]
