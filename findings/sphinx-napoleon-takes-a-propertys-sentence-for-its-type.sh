#!/usr/bin/env bash
# Sphinx's napoleon cuts the docstring of a property at its first colon and prints the part before it as the type.
#
# Package: Sphinx==9.0.4 with sphinx.ext.autodoc and sphinx.ext.napoleon, Python 3.11.
# Input: a property documented by one sentence with a colon in it, its type given by an annotation.
# Expected: the sentence as it stands, and the annotated type, as for a method with the same sentence.
# Seen 2026-11-28: the text is only what follows the colon, and "Hash of the content" stands below it as "Type",
#   beside the annotated int in the signature. The method keeps its sentence. No warning (the build runs with -W).
# What it means: an API reference shows half sentences and wrong types for properties of well-typed code. Sentences of
#   properties want no colon, or napoleon a stand-in.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet Sphinx==9.0.4 2>/dev/null
mkdir "$work/docs"
cat > "$work/docs/sample.py" <<'PY'
class Faces:
    """Images."""

    @property
    def fingerprint(self) -> int:
        """Hash of the content: pixels and labels."""
        return 1

    def of_method(self) -> int:
        """Hash of the content: pixels and labels."""
        return 1
PY
printf 'Title\n=====\n\n.. autoclass:: sample.Faces\n   :members:\n' > "$work/docs/index.rst"
printf 'extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]\nimport sys\nsys.path.insert(0, ".")\n' > "$work/docs/conf.py"
(cd "$work/docs" && "$work/venv/bin/python" -m sphinx -W -q -b text . "$work/text")
cat "$work/text/index.txt"
whole=$(grep -c "Hash of the content: pixels and labels" "$work/text/index.txt" || true)
as_type=$(grep -A1 "Type:" "$work/text/index.txt" | grep -c "Hash of the content$" || true)
alone=$(grep -cE "^ +pixels and labels\." "$work/text/index.txt" || true)
echo "whole sentences: $whole of 2; the sentence's beginning as a type: $as_type; its end alone: $alone"
[ "$whole $as_type $alone" = "1 1 1" ] || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
