#!/usr/bin/env bash
# Sees to it that Debian's programs that the tests start are on the PATH: Prometheus, Alertmanager, OpenSSL, curl, Chromium.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

missing=()
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null || missing+=(prometheus-alertmanager)
command -v openssl >/dev/null || missing+=(openssl)
command -v curl >/dev/null || missing+=(curl)
command -v chromium >/dev/null || missing+=(chromium)
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
  echo "The tests need Debian's ${missing[*]}, and only root may install them here." >&2
  echo "Run: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
