#!/usr/bin/env bash
# Installs Debian's programs that the tests start and that are not on the PATH: Prometheus, Alertmanager, nginx, OpenSSL,
# curl, Chromium.
# usage: debian.sh [PACKAGE ...]; without packages, all of them
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

[ $# -gt 0 ] || set -- prometheus prometheus-alertmanager nginx openssl curl chromium

installed() {
  case $1 in
    prometheus) command -v prometheus && command -v promtool ;;
    prometheus-alertmanager) command -v prometheus-alertmanager && command -v amtool ;;
    *) command -v "$1" ;;
  esac >/dev/null
}

missing=()
for package; do installed "$package" || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  # The tests start their own processes: Debian's must not take the ports.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
elif [ "${missing[*]}" = chromium ]; then
  echo "without Chromium the status page is not looked at in a browser: sudo apt-get install chromium"
else
  echo "This needs Debian's ${missing[*]}, and only root may install them here." >&2
  echo "Run: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
