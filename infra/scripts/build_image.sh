#!/usr/bin/env bash
# Builds the agent's image by buildah, without a daemon.
#
#   infra/scripts/build_image.sh [TAG] [OPTION OF buildah build]...
#
# --build-arg PYTHON_IMAGE=NAME takes another base: debian_base.sh makes one where no registry is in
# reach. --isolation chroot is for builds inside a container.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tag=registry.example/agentic-rag/rag-agent:0.1.0
if (($#)) && [[ $1 != -* ]]; then
  tag=$1
  shift
fi

# The health check is no part of OCI's format; buildah 1.28 does not find the ignore file by itself.
buildah build --format docker --layers --tag "$tag" \
  --file infra/image/Dockerfile --ignorefile infra/image/Dockerfile.dockerignore \
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" "$@" .
