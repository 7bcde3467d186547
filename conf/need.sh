#!/bin/sh
# need.sh - install the Debian packages that are missing, and touch nothing else.
#
#     conf/need.sh GROUP...     build: to compile; run: to serve and ask; test: all of tests/run;
#                               managers: the service managers that tests/systemd/without.sh tries;
#                               deb: to build the package, lintian, and a bare Debian to try it in;
#                               node: npm, to fetch the tests' Node packages; bench: tests/bench/run
#
# As root, or through sudo; without either it says what to install. Nothing missing: nothing is
# run, not even `apt-get update`. Progress goes to standard error.
#
# Debian starts a new nginx on port 80, and likewise what tests and benchmark use besides. A service that
# this script installs is neither started nor enabled: the demo, the tests and the benchmark run their own.
# One that was there before is left alone.
set -eu

self=$(cd "$(dirname "$0")" && pwd)/${0##*/}
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin

# The groups: a command and the package it comes in, or - where only dpkg can tell.
table='
build gcc        gcc
build make       make
build autoreconf autoconf
build automake   automake
build pkg-config pkg-config
test  xz         xz-utils
build -          libc6-dev
build -          libfcgi-dev
build -          libjson-c-dev
build -          libjwt-dev
build -          libssl-dev
build -          libdb5.3-dev
run   nginx      nginx
run   curl       curl
run   jq         jq
test  -          libcmocka-dev
test  clang      clang
test  valgrind   valgrind
test  -          libc6-dbg
test  shellcheck shellcheck
test  mandoc     mandoc
test  chromium   chromium
test  ps         procps
test  strace     strace
test  systemd-analyze systemd
test  prometheus prometheus
test  tmux       tmux
managers spawn-fcgi spawn-fcgi
managers supervisord supervisor
managers multiwatch multiwatch
test  lighttpd   lighttpd
test  -          lighttpd-modules-lua
test  apache2    apache2
deb   dpkg-buildpackage dpkg-dev
deb   dh         debhelper
deb   lintian    lintian
deb   mmdebstrap mmdebstrap
node  npm        npm
bench wrk        wrk
bench valgrind   valgrind
bench redis-server redis-server
bench webdis     webdis
bench strace     strace
'

# Commands of the above that are services as well, of the same name, or of the one behind the colon.
services='nginx lighttpd apache2 redis-server webdis prometheus supervisord:supervisor'

say() {
	echo "$*" >&2
}

# missing GROUP... - the packages of these groups that are not there.
missing() {
	echo "$table" | while read -r group command package; do
		case " $* " in
		*" ${group:--} "*) ;;
		*) continue ;;
		esac
		if [ "$command" = - ]; then
			[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
		else
			command -v "$command" >/dev/null 2>&1 && continue
		fi
		echo "$package"
	done
}

policy=/usr/sbin/policy-rc.d
saved=$policy.before-tmakv

# While this file says 101, package scripts start no service.
forbid_services() {
	trap allow_services EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	[ -e "$saved" ] || [ ! -e "$policy" ] || mv "$policy" "$saved"
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

allow_services() {
	rm -f "$policy"
	[ ! -e "$saved" ] || mv "$saved" "$policy"
}

# install PACKAGE... - as root.
install() {
	new=''
	for service in $services; do
		command -v "${service%:*}" >/dev/null 2>&1 || new="$new $service"
	done
	export DEBIAN_FRONTEND=noninteractive
	forbid_services
	apt-get -q -o DPkg::Lock::Timeout=300 update || say "apt-get update had trouble; trying all the same"
	apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
	for service in $new; do
		command -v "${service%:*}" >/dev/null 2>&1 || continue
		service=${service#*:}
		update-rc.d "$service" disable || true
		say "$service is installed but not started. To have this machine start it:"
		say "    update-rc.d $service enable && service $service start"
	done
}

if [ "${1-}" = --install ]; then
	shift
	install "$@" >&2
	exit
fi

command -v dpkg-query >/dev/null || { say "this script knows Debian's packages only; README.md lists what is needed"; exit 69; }
packages=$(missing "$@" | tr '\n' ' ')
[ -n "$packages" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	sudo=sudo
else
	say "These Debian packages are missing, and only root can install them:"
	say "    apt-get install --no-install-recommends $packages"
	exit 69
fi
say "installing: $packages"
# shellcheck disable=SC2086 # words on purpose
$sudo sh "$self" --install $packages

still=$(missing "$@" | tr '\n' ' ')
[ -z "$still" ] || { say "still missing: $still"; exit 69; }
