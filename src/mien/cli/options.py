"""What is said of options that several commands share."""

BUNDLE_HELP = "A model: the name of one that comes with mien, a folder, or a .mien file."
FRAMING_HELP = (
    "How the faces were framed that the model learned from: fer2013, drawn, or numbers such as aligned:margin=1.3. "
    "Needed for photos where the model does not say."
)
