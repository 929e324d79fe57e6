"""Formats of files, recognized by their first bytes: those that are read, and those that are only named.

Read is what Pillow or NumPy decodes in a time and a memory that the size of the file and the number of its pixels
limit. Others are named, so that nobody has to guess why a file is refused: PostScript because Pillow would hand it to
Ghostscript, which executes it; AVIF because Pillow reads the whole of its Exif, which may claim any size; JPEG 2000,
HEIF, camera raw and all others because they need libraries that do not travel with a model.
"""

import re
from dataclasses import dataclass

HEAD = 512  # bytes of a file by which its format is recognized

_TO_PNG = "Convert it to PNG, such as by ImageMagick: magick photo{ending} photo.png"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files."""

    name: str
    pattern: re.Pattern[bytes]  # matches the beginning of a file
    endings: tuple[str, ...]  # of file names, lower case
    repair: str  # what to do with a file that is not read; empty for those that are

    @property
    def is_image(self) -> bool:
        """Whether a file holds one image, which another program converts."""
        return self.repair.startswith("Convert")


def _format(name: str, pattern: bytes, *endings: str, repair: str = _TO_PNG) -> Format:
    ending = endings[0] if endings else ""
    return Format(name, re.compile(pattern, re.DOTALL), endings, repair.replace("{ending}", ending))


READ = (
    _format("JPEG", rb"\xff\xd8\xff", ".jpg", ".jpeg", ".jpe", ".jfif", repair=""),
    _format("PNG", rb"\x89PNG\r\n\x1a\n", ".png", repair=""),
    _format("BMP", rb"BM", ".bmp", repair=""),
    _format("GIF", rb"GIF8[79]a", ".gif", repair=""),
    _format("TIFF", rb"MM\0\*|II\*\0|MM\*\0|II\0\*|MM\0\+|II\+\0", ".tif", ".tiff", repair=""),
    _format("WEBP", rb"RIFF....WEBP", ".webp", repair=""),
    _format("PPM", rb"P[1-6][\s#]", ".ppm", ".pgm", ".pbm", ".pnm", repair=""),
)

# Before those that are read: a raw file of Canon begins as a TIFF file does, and what Xcode makes of a PNG as a PNG.
_NAMED_FIRST = (
    _format("camera raw (CR2)", rb"II\*\0....CR", ".cr2"),
    _format("PNG of an iPhone app (CgBI)", rb"\x89PNG\r\n\x1a\n....CgBI",
            repair="Convert it by Xcode: xcrun pngcrush -revert-iphone-optimizations in.png out.png"),
)  # fmt: skip

_CAMERA_RAW = (".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".pef", ".srw", ".cr3", ".raf", ".raw")
NAMED = (
    *_NAMED_FIRST,
    _format("AVIF", rb"....ftypavi[fs]|....ftypmif1.{0,40}avi[fs]", ".avif"),
    _format("HEIF", rb"....ftyp(hei[cxms]|hev[cx]|mif1|msf1)", ".heic", ".heif"),
    _format("camera raw", rb"....ftypcrx|FUJIFILMCCD-RAW|II(RO|RS|U\0)|MMOR|FOVb|\0MRM", *_CAMERA_RAW),
    _format("JPEG 2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", ".jp2", ".j2k", ".jpx", ".j2c", ".jpf"),
    _format("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", ".jxl"),
    _format("JPEG XR", rb"II\xbc", ".jxr", ".wdp", ".hdp"),
    _format("SVG", rb"(\xef\xbb\xbf)?\s*(<\?xml.*|<!--.*|<!DOCTYPE svg.*)?<svg", ".svg", ".svgz"),
    _format("DICOM", rb".{128}DICM", ".dcm", ".dicom"),
    _format("Photoshop", rb"8BPS", ".psd", ".psb"),
    _format("OpenEXR", rb"v/1\x01", ".exr"),
    _format("Radiance HDR", rb"#\?(RADIANCE|RGBE)", ".hdr"),
    _format("FITS", rb"SIMPLE  =", ".fits", ".fit", ".fts"),
    _format("PFM or PAM", rb"P[7Ff][\s#]", ".pfm", ".pam"),
    _format("icon", rb"\0\0[\x01\x02]\0[^\0]", ".ico", ".cur"),
    _format("DDS", rb"DDS ", ".dds"),
    _format("QOI", rb"qoif", ".qoi"),
    _format("GIMP", rb"gimp xcf", ".xcf"),
    _format("TGA", rb"(?!)", ".tga"),
    _format("Apple icon", rb"icns", ".icns"),
    _format("Windows metafile", rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", ".wmf", ".emf"),
    _format("PCX", rb"\n[\0\x02\x03\x05]\x01[\x01\x02\x04\x08]", ".pcx"),
    _format("DjVu", rb"AT&TFORM", ".djvu", ".djv"),
    _format("PostScript", rb"%!PS|\xc5\xd0\xd3\xc6", ".eps", ".ps", ".ai",
            repair="Export it as PNG by the program that made it."),
    _format("PDF", rb"%PDF", ".pdf", repair="Write its pages as images: pdftoppm -png FILE.pdf page"),
    _format("NIfTI", rb".{344}(n\+1|ni1)\0", ".nii", repair="Write its slices as PNG or TIFF files."),
    _format("NumPy array", rb"\x93NUMPY", ".npy", repair="Put the images into one archive and use data=npz."),
    _format("HDF5", rb"\x89HDF\r\n\x1a\n", ".h5", ".hdf5", ".mat", repair="Write its images as PNG files."),
    _format("video", rb"....ftyp|RIFF....AVI |\x1aE\xdf\xa3", ".mp4", ".mov", ".avi", ".mkv", ".webm",
            repair="Write its frames as images: ffmpeg -i film.mp4 film-%06d.png"),
    _format("HTML page", rb"(?i:\s*<(!doctype )?html)", ".html", ".htm",
            repair="A download answered with a page instead of the image: download it again."),
    _format("JSON or XML", rb"(\xef\xbb\xbf)?\s*([{]\s*[\"}]|\[\s*[\[{\"]|<\?xml)",
            repair="A download answered with a message instead of the image: read it, and download the image again."),
    _format("PNG copied as text", rb"\x89PNG(\r|\n|\r\r\n)\x1a|\xef\xbf\xbdPNG|\xc2\x89PNG",
            repair="Line ends or letters of it were changed: copy it again, as binary."),
    _format("description of a file by macOS (AppleDouble)", rb"\0\x05\x16[\0\x07]",
            repair="The image is the file without ._ before its name; delete this one."),
    _format("Git LFS pointer", rb"version https://git-lfs", repair="Fetch the images themselves: git lfs pull"),
    _format("zip archive", rb"PK\x03\x04", ".zip", repair="Unpack it."),
    _format("gzip file", rb"\x1f\x8b", ".gz", repair="Unpack it: gunzip FILE.gz"),
)  # fmt: skip

# File name endings of the formats that are read, lower case.
ENDINGS = frozenset(ending for format_ in READ for ending in format_.endings)
# Names of the formats of images that are not read, by the same.
NAME_OF_ENDING = {ending: format_.name for format_ in NAMED if format_.is_image for ending in format_.endings}

_ORDER = (*_NAMED_FIRST, *READ, *NAMED)


def recognize(head: bytes) -> Format | None:
    """Return the format of a file by its first `HEAD` bytes; None: it is unknown."""
    return next((format_ for format_ in _ORDER if format_.pattern.match(head)), None)
