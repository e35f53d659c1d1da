#!/bin/sh
# Usage: system-packages.sh NAME…   Installs the named Debian packages that are missing.
# As root it installs them; otherwise it says in one line what to install.
set -eu
missing=
for name in "$@"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "Not a Debian system: make sure that these are there (Debian's names):$missing" >&2
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "Missing system packages. Install them with: sudo apt-get install$missing" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
