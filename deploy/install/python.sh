#!/usr/bin/env bash
# Installs a hashed set of requirements and this project into a virtual environment.
# usage: python.sh PYTHON VENV REQUIREMENTS
set -euo pipefail
python=$1 venv=$2 requirements=$3

if ! command -v "$python" >/dev/null; then
  echo "$python is not on the PATH: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "$("$python" --version) is too old: openai-usage-exporter needs Python 3.11 or newer (make PYTHON=python3.12)" >&2
  exit 1
fi
if [ ! -x "$venv/bin/pip" ]; then
  echo "creating $venv with $("$python" --version)"
  if ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
      "$python" -m venv "$venv"
    else
      echo "$python cannot make virtual environments: on Debian, install python3-venv (sudo apt-get install python3-venv)" >&2
      exit 1
    fi
  fi
fi
echo "installing $requirements"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$requirements"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
# Packages are compiled by pip, but not what is installed as editable: a start would take half a second longer.
"$venv/bin/python" -m compileall -q exporter
