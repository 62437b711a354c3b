#!/usr/bin/env bash
# manage.py of this release with the settings, the secrets and the user of the services. Run as root;
# install.sh links it as qwencam-manage:
#
#   qwencam-manage create_invitation
#   qwencam-manage qwencam_doctor
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
settings=/etc/qwencam
if [[ ! -r $settings/secrets/DJANGO_SECRET_KEY ]]; then
    echo "$settings/secrets can't be read: run this as root, on a host where install.sh has run." >&2
    exit 1
fi
while IFS= read -r line; do
    [[ ! $line =~ ^[A-Z_]+= ]] || export "${line?}"
done <"$settings/qwencam.env"
# In the environment, since the services' files are theirs; never on a command line.
for file in "$settings"/secrets/[A-Z]*; do
    name=${file##*/}
    export "$name=$(<"$file")"
done
umask 077
export HOME=/var/lib/qwencam
exec setpriv --reuid qwencam --regid qwencam --init-groups -- .venv/bin/python manage.py "$@"
