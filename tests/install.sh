#!/usr/bin/env bash
# Installs what the stories need from outside and this machine lacks; run again, it does nothing. What cannot be had is
# told in a line, and the stories that need it are skipped with a line of their own.
set -u
cd "$(dirname "$0")"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo -n "$@"; else return 1; fi; }

missing=()
command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null || missing+=(mosquitto)
command -v victoria-metrics >/dev/null || missing+=(victoria-metrics)
command -v prometheus-alertmanager >/dev/null || missing+=(prometheus-alertmanager)
command -v strace >/dev/null || missing+=(strace)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
        echo "install: cannot have ${missing[*]}: no network, or no right to install; their stories will be skipped"
    # Debian starts the broker with the machine, on the city's own port.
    case " ${missing[*]} " in *" mosquitto "*) as_root systemctl disable --now mosquitto >/dev/null 2>&1 ;; esac
    case " ${missing[*]} " in *" prometheus-alertmanager "*)
        as_root systemctl disable --now prometheus-alertmanager >/dev/null 2>&1 ;;
    esac
fi

wanted=$(cksum <requirements.txt)
if [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ]; then
    { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt &&
        echo "$wanted" >.venv/installed; } >/dev/null 2>&1 ||
        echo "install: cannot have the Python clients of requirements.txt; their stories will be skipped"
fi

# Node.js itself is not installed: it is large, and one story needs it.
wanted=$(cksum <package.json)
if command -v npm >/dev/null && [ "$(cat node_modules/installed 2>/dev/null)" != "$wanted" ]; then
    { npm install --no-audit --no-fund --no-package-lock --ignore-scripts && echo "$wanted" >node_modules/installed; } >/dev/null 2>&1 ||
        echo "install: cannot have the clients of package.json; their stories will be skipped"
fi
