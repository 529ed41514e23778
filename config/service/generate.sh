#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Make service definitions of the list `services`.
#
#	generate.sh systemd OUT BINDIR             units, for the systemd unit folder
#	generate.sh runit OUT BINDIR BASE [SED]    service folders for runsvdir(8), all under --base BASE;
#	                                           SED: an expression applied to each command (labs: users)
set -eu
kind=$1 out=$2 bin=$3 base=${4:-} edit=${5:-}
list=$(dirname "$0")/services
mkdir -p "$out"

unit() { # name command
	cat <<UNIT
[Unit]
Description=Sluice: $1
After=network-pre.target
StartLimitIntervalSec=0

[Service]
ExecStart=$bin/$2
Restart=always
RestartSec=100ms
# A stop leaves the steering program and the guard in place: service addresses fall silent, nothing is reset.
KillMode=process
LimitNOFILE=1048576
LimitMEMLOCK=infinity
RuntimeDirectory=sluice
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
StateDirectory=sluice

[Install]
WantedBy=multi-user.target
UNIT
}

run_script() { # name command
	cat <<RUN
#!/bin/sh
exec 2>&1
exec $bin/$2 --base $base
RUN
}

grep -v -e '^#' -e '^$' "$list" | while read -r name _ command; do
	if [ -n "$edit" ]; then
		command=$(printf '%s\n' "$command" | sed -e "$edit")
	fi
	case $kind in
	systemd)
		unit "$name" "$command" > "$out/$name.service"
		;;
	runit)
		mkdir -p "$out/$name/log"
		run_script "$name" "$command" > "$out/$name/run"
		mkdir -p "$base/log/$name"
		printf '#!/bin/sh\nexec svlogd -tt %s\n' "$base/log/$name" > "$out/$name/log/run"
		chmod +x "$out/$name/run" "$out/$name/log/run"
		;;
	*)
		echo "usage: $0 systemd|runit OUT BINDIR [BASE [SED]]" >&2
		exit 2
		;;
	esac
done
