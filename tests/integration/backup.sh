#!/usr/bin/env bash
# Backups while others write, what interrupts them, damage, and putting them back.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

writer_pid='' ctl_pid='' written=''
start value_limit=25M
backups=$work/backups
old=$backups/tmakv-20200101T000000Z.partial	# left by a dead run

# --- helpers ---

# exits CODE TEXT COMMAND... - it ends so, and says TEXT on standard error.
exits() {
	local code=$1 text=$2 rc=0
	shift 2
	"$@" >"$work/out" 2>"$work/err" || rc=$?
	[ $rc -eq "$code" ] || fail "$* ended with $rc instead of $code: $(cat "$work/out" "$work/err")"
	grep -qF -e "$text" "$work/err" "$work/out" || fail "$* says: $(cat "$work/out" "$work/err")"
}

# finished - the names of what looks like a backup.
finished() {
	find "$backups" -mindepth 1 -maxdepth 1 -name 'tmakv-*' ! -name '*.partial' -printf '%f\n' | sort
}

partial() {
	find "$backups" -mindepth 1 -maxdepth 1 -name '*.partial' | grep .
}

# is_copying - a backup is in the middle of the large table.
is_copying() {
	has_ended "$ctl_pid" && return 2
	find "$backups" -path '*.partial/values.db' ! -path "$old/*" -size +256k | grep .
}

# is_checking - tmakvd is at work on the copy.
is_checking() {
	has_ended "$ctl_pid" && return 2
	[ -n "$(cat "/proc/$ctl_pid/task/$ctl_pid/children")" ]
}

# ctl_start - Control-C would be ignored in the background.
ctl_start() {
	env --default-signal=INT "$TMAKVCTL" --control "$work/control.sock" backup "$backups" >"$work/ctl.out" 2>"$work/ctl.err" &
	ctl_pid=$!
}

# begin_backup - until it is_copying.
begin_backup() {
	ctl_start
	until_true is_copying || fail "no backup is under way: $(cat "$work/ctl.err")"
}

# end_backup CODE
end_backup() {
	local rc=0
	until_true has_ended "$ctl_pid" || fail "the backup does not end"
	wait "$ctl_pid" || rc=$?
	[ $rc -eq "$1" ] || fail "it ended with $rc instead of $1: $(cat "$work/ctl.err")"
}

no_backup_runs() {
	[ "$(grep -c '"a backup begins"' "$work/tmakvd.log")" = "$(grep -c '"a backup has ended"' "$work/tmakvd.log")" ]
}

# exported FILE - everything but the writer's keys, as it is now.
exported() {
	rm -f "$1"
	ctl export demo --prefix static: --output "$1" 2>/dev/null || fail "no export"
}

# --- one writer, one connection: what it has written is known by a number ---

writer_keys=300

# start_writer - number I goes to key I mod $writer_keys; a line in $work/acks for each answer.
start_writer() {
	printf 'Authorization: Bearer %s\n' "$API_KEY" >"$work/writer.auth"
	awk -v keys=$writer_keys -v work="$work" 'BEGIN {
		for (i = 0; i < 12000; i++) {
			if (i) print "next"
			printf "unix-socket = \"%s/f\"\nheader = \"@%s/writer.auth\"\nrequest = PUT\nsilent\noutput = /dev/null\n", work, work
			printf "write-out = \"%%{http_code}\\n\"\ndata = \"\\\"%08d%0300d\\\"\"\nurl = \"http://tmakv/sdk/v1/kv/w:%d\"\n", i, i, i % keys
		}
	}' >"$work/writer.conf"
	: >"$work/acks"
	stdbuf -oL curl -K "$work/writer.conf" >"$work/acks" 2>/dev/null &
	writer_pid=$!
	until_true has_written 500 || fail "the writer does not write"
}

has_written() {
	[ "$(grep -c '^200$' "$work/acks")" -ge "$1" ]
}

stop_writer() {
	kill -s KILL "$writer_pid"
	wait "$writer_pid" 2>/dev/null
	! grep -qv '^200$' "$work/acks" || fail "a write was answered $(grep -v '^200$' "$work/acks" | sort | uniq -c)"
}

# is_prefix - what is in the store now is the first so many writes: sets $written.
is_prefix() {
	ctl export demo --prefix w: --output "$work/w.jsonl" 2>/dev/null || fail "no export"
	written=$(jq -r '[.key[2:], (.value[1:9] | tonumber), (.value[9:-1] | tonumber)] | @tsv' "$work/w.jsonl" |
		awk -v keys=$writer_keys '
			$2 != $3 { print "torn"; bad = 1; exit }
			{ at[$1] = $2 + 1; if ($2 >= n) n = $2 + 1 }
			END {
				for (k = 0; !bad && k < keys && k < n; k++)
					if (at[k] != n - (n - 1 - k) % keys) { print "no prefix: key " k " has " at[k] - 1 " of " n; exit }
				if (!bad) print n
			}')
	case $written in '' | *[!0-9]*) fail "the writes: $written" ;; esac
}

# --- data of all kinds ---

printf 'plain text' | ctl kv put demo static:text
printf '\0\1\2\377' | ctl kv put demo static:binary --metadata '{"n":1}'
printf '{"a":[1,2]}' | ctl kv put demo static:json --ttl 5000
head -c 600 /dev/urandom | base64 | jq -Rs '{m: .[:900]}' -c >"$work/metadata"
printf 'x' | ctl kv put demo static:metadata --metadata "$(cat "$work/metadata")" --expiration 4000000000
head -c 900000 /dev/urandom >"$work/chunks"
ctl kv put demo static:chunks --file "$work/chunks"
for i in 1 2 3 4 5; do as_server PUT /sdk/v1/kv/static:counted --data-binary "$i"; done
expect 200
validate "$(init_data 4242 Ada)"
expect 200
as_user "$jwt" PUT /sdk/v1/kv/static:hers --data-binary '"hers"'
expect 200
# Enough that a backup takes some seconds; not compressible, and not read again.
head -c 20000000 /dev/urandom >"$work/large"
for i in 1 2; do ctl kv put demo large:$i --file "$work/large"; done
rm "$work/large"
exported "$work/before.jsonl"

it "says what is wrong with a folder"
exits 64 'the folder above it does not exist' ctl backup "$work/no/such"
exits 64 'is not a folder' ctl backup "$work/chunks"
exits 64 'something is missing' ctl backup
exits 64 'a whole number from 1' ctl backup "$backups" --keep 0
exits 69 'is tmakvd running' "$TMAKVCTL" --control "$work/nobody" backup "$backups"
[ -z "$(finished)" ] || fail "there is $(finished)"
! partial || fail "something was left"

it "copies a state that was, while a writer writes"
start_writer
acked_before=$(grep -c '^200$' "$work/acks")
answer=$(ctl backup "$backups" --json) || fail "no backup: $answer"
acked_after=$(grep -c '^200$' "$work/acks")
stop_writer
first=$(finished)
[ "$(printf '%s' "$answer" | member .backup)" = "$backups/$first" ] || fail "it says $answer"
[ "$(stat -c %a "$backups" "$backups/$first" "$backups/$first/keys.db" | tr '\n' ' ')" = '700 700 600 ' ] ||
	fail "others may read it: $(ls -la "$backups/$first")"
exits 0 'is good' "$TMAKVD" --verify "$backups/$first"
ctl status --json | jq -e '.store.last_backup_at > 1700000000' >/dev/null || fail "status does not know of it"

it "leaves nothing that looks finished behind Control-C"
begin_backup
kill -s INT "$ctl_pid"
end_backup 130
grep -q 'there is no new backup' "$work/ctl.err" || fail "it says $(cat "$work/ctl.err")"
[ "$(finished)" = "$first" ] || fail "there is $(finished)"
! partial || fail "something was left"
until_true no_backup_runs || fail "the server goes on"

it "takes one at a time, and answers others meanwhile"
begin_backup
exits 75 'another backup into' ctl backup "$backups"
exits 75 'another backup is under way' ctl backup "$work/elsewhere"
ctl status >/dev/null || fail "no status"
is_copying >/dev/null || fail "it did not go on"

it "leaves nothing that looks finished when tmakvctl is killed"
kill -s KILL "$ctl_pid"
{ wait "$ctl_pid"; } 2>/dev/null
until_true no_backup_runs || fail "the server goes on"
[ "$(finished)" = "$first" ] || fail "there is $(finished)"
mv "$(partial)" "$old" || fail "nothing is left to test with"
exits 78 'no backup' "$TMAKVD" --verify "$old"

it "leaves nothing that looks finished when the server is killed, and takes away what is left"
begin_backup
[ ! -e "$old" ] || fail "$old is still there"
kill_server
end_backup 75
[ "$(finished)" = "$first" ] || fail "there is $(finished)"
! partial || fail "something was left"
until_true server_answers || fail "the server does not come back"

it "leaves nothing that looks finished when tmakvctl is killed while the copy is checked"
ctl_start
until_true is_checking || fail "nothing is checked: $(cat "$work/ctl.err")"
checker=$(cat "/proc/$ctl_pid/task/$ctl_pid/children")
kill -s KILL "$ctl_pid"
{ wait "$ctl_pid"; } 2>/dev/null
until_true has_ended "${checker%% *}" || fail "the check goes on"
[ "$(finished)" = "$first" ] || fail "there is $(finished)"

it "keeps the newest, and touches nothing else"
for day in 01 02 03; do cp -r "$backups/$first" "$backups/tmakv-202001${day}T000000Z"; done
mkdir "$backups/tmakv-20200104T000000Z" "$backups/tmakv-20200101T000000Z-mine" "$backups/other"
cp "$backups/$first/backup.list" "$backups/tmakv-20200101T000000Z-mine"
touch "$backups/tmakv-20200105T000000Z"
ctl backup "$backups" --keep 2 >"$work/out" || fail "no backup"
second=$(sed 's|.*/||' "$work/out")
[ "$(finished | tr '\n' ' ')" = "tmakv-20200101T000000Z-mine tmakv-20200104T000000Z tmakv-20200105T000000Z $first $second " ] ||
	fail "there is $(finished)"
[ -d "$backups/other" ] || fail "a folder of somebody else is gone"
rm -r "$backups"/tmakv-2020*
exits 0 'is good' "$TMAKVD" --verify "$backups/$second"
exits 78 "$backups/$second" "$TMAKVD" --verify "$backups"

it "finds a flipped byte, a missing and a truncated file, and names it"
for file in keys.db "$(sed -n 's/^file [0-9]* [0-9a-f]* log/log/p' "$backups/$second/backup.list")" backup.list; do
	path=$backups/$second/$file
	cp "$path" "$work/kept"
	# A byte in the middle becomes another one.
	at=$(($(stat -c %s "$path") / 2))
	byte=$(dd if="$path" bs=1 skip=$at count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # an escape is made
	printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$path" bs=1 seek=$at conv=notrunc status=none
	exits 65 "$file" "$TMAKVD" --verify "$backups/$second"
	truncate -s $at "$path"
	exits 65 "$file" "$TMAKVD" --verify "$backups/$second"
	rm "$path"
	[ "$file" = backup.list ] && code=78 || code=65
	exits $code "$file" "$TMAKVD" --verify "$backups/$second"
	cp "$work/kept" "$path"
done
exits 0 'is good' "$TMAKVD" --verify "$backups/$second"

it "restores into an empty directory only, and only what is good"
sed "s|^data_dir = .*|data_dir = $work/restored|" "$work/tmakv.conf" >"$work/restore.conf"
exits 78 'works on' "$TMAKVD" --restore "$backups/$first" -c "$work/tmakv.conf"
mkdir -p "$work/restored/log"
touch "$work/restored/log/something"
exits 78 'not empty' "$TMAKVD" --restore "$backups/$first" -c "$work/restore.conf"
rm "$work/restored/log/something"
exits 78 "$backups/$second" "$TMAKVD" --restore "$backups" -c "$work/restore.conf"
printf 'x' >>"$backups/$second/meta.db"
exits 65 'meta.db' "$TMAKVD" --restore "$backups/$second" -c "$work/restore.conf"

it "refuses to start on a restore that was interrupted, and begins it anew"
while true; do
	rm -rf "$work/restored"
	"$TMAKVD" --restore "$backups/$first" -c "$work/restore.conf" >/dev/null 2>&1 &
	pid=$!
	until_true [ -e "$work/restored/restoring" ]
	kill -s KILL $pid
	wait $pid 2>/dev/null
	# Unless it was faster.
	[ ! -e "$work/restored/restoring" ] || break
done
stop_server || fail "the server did not stop"
exits 78 'restore into this directory was interrupted' "$TMAKVD" -c "$work/restore.conf"
exits 0 'restored into' "$TMAKVD" --restore "$backups/$first" -c "$work/restore.conf"

it "has everything that was there at one moment, byte for byte"
start_server value_limit=25M "data_dir=$work/restored"
exported "$work/after.jsonl"
cmp "$work/before.jsonl" "$work/after.jsonl" || fail "the keys are not what they were"
is_prefix
[ "$written" -ge "$acked_before" ] || fail "only $written writes are there; $acked_before were answered before the backup"
[ "$written" -le $((acked_after + 1)) ] || fail "$written writes are there; only $acked_after were answered behind the backup"
printf '  %s answered before it, %s in it, %s answered when it was done\n' "$acked_before" "$written" "$acked_after"
as_server GET /sdk/v1/kv/static:counted
expect 200 '"data":5'
expect_header X-KV-Writes 5
as_user "$jwt" GET /sdk/v1/kv/static:hers
expect 200 '"hers"'
as_server PUT /sdk/v1/kv/static:new --data-binary 1
expect 200

it "backs up what was restored"
ctl backup "$work/again" >/dev/null || fail "no backup"
