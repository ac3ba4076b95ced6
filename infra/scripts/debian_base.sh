#!/usr/bin/env bash
# A base for the image where no registry is in reach: Debian with its own Python 3.11, as root.
#
#   infra/scripts/debian_base.sh [NAME]
set -euo pipefail

name=${1:-localhost/python:3.11-bookworm}
root=$(mktemp --directory)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates,python3,python3-distutils,python3.11-venv \
  bookworm "$root"
chmod 755 "$root" # mktemp's own is for root alone, and would be the image's
ln -s python3.11 "$root/usr/bin/python"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
  "$root"/usr/share/{doc,info,locale,man}/*

container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" /
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --rm --quiet "$container" "$name"
