#!/usr/bin/env bash
# Puts an overlay on the cluster of kubectl's current context, and waits until it stands; before that it
# sees that the cluster can take it. Fails, and says what is wrong. Asks nothing.
#   deploy.sh OVERLAY                a name under infra/overlays, or a folder
#   deploy.sh OVERLAY --check-only   changes nothing
# The other arguments are those of `agentic-rag deploy`: --timeout, --json.
set -euo pipefail
# shellcheck source=infra/scripts/build.sh
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

built=$(build "$@")
agentic-rag deploy - "${@:2}" <<<"$built"
