"""A reader of a made-up form: a text file of one line, the number of faces to draw."""

from mien import Reader
from mien.datasets.synthetic import draw_faces
from mien.files import hash_file
from mien.labels import SEVEN


def read(path, options, progress=None):
    return draw_faces(int(path.read_text()), size=options.size or 24, seed=0, label_set=SEVEN)


COUNTED = Reader("counted-faces", "a text file with a number", lambda path: path.suffix == ".count", hash_file, read)
