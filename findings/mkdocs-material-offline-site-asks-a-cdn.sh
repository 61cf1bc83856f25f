#!/usr/bin/env bash
# A site that mkdocs-material builds with its `offline` plugin loads a script from unpkg.com on each page.
#
# Packages: mkdocs-material==9.8.2, mkdocs==1.6.1, Python 3.11.
# Input: theme material without web fonts, plugins search and offline, one page.
# Expected: an offline site that asks no other host: its search index is a script, made for file:// addresses.
# Seen 2026-11-28: the plugin adds https://unpkg.com/iframe-worker/shim to every page, without a version or a hash. Without a network
#   the search waits for it; with one, each reader is seen by that host. The `privacy` plugin fetches it while the site is
#   built, which then needs the network.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet mkdocs-material==9.8.2 mkdocs==1.6.1 2>/dev/null
mkdir "$work/docs"
printf '# Title\n\nText.\n' > "$work/docs/index.md"
cat > "$work/mkdocs.yml" <<'YML'
site_name: sample
theme:
  name: material
  font: false
plugins:
  - search
  - offline
YML
(cd "$work" && "$work/venv/bin/mkdocs" build --quiet 2>/dev/null)
found=$(grep -o '<script src="https://[^"]*"' "$work/site/index.html" || true)
echo "scripts of other hosts: ${found:-none}"
[ "$found" = '<script src="https://unpkg.com/iframe-worker/shim"' ] || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
