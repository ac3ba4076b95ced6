#!/usr/bin/env bash
# Takes an overlay away from the cluster of kubectl's current context. Claims stay, and what is on them;
# so do the namespace and the Secrets in it, which are no part of an overlay's own.
#   undeploy.sh OVERLAY              a name under infra/overlays, or a folder
#   undeploy.sh OVERLAY --with-data  deletes the claims, too
set -euo pipefail
# shellcheck source=infra/scripts/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

built=$(build "$@")
agentic-rag undeploy - "${@:2}" <<<"$built"
