#!/usr/bin/env bash
# ctl_commands.sh - every command of tmakvctl on a running tmakvd, as people and as programs use it.
. "$(dirname "$0")/../lib.sh"
unset TMAKV_CONTROL
umask 077
start_server

# run RC ARGUMENTS... - what it says is in $work/out (standard output) and $work/err.
run() {
	local want=$1 rc=0
	shift
	ctl "$@" >"$work/out" 2>"$work/err" </dev/null || rc=$?
	[ $rc -eq "$want" ] || fail "$*: ended with $rc, not $want: $(cat "$work/out" "$work/err")"
}

says() {
	grep -qF -e "$1" "$work/${2:-out}" || fail "no '$1' in: $(cat "$work/${2:-out}")"
}

# value NAME - a string member of the JSON that run() left.
value() {
	sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p" "$work/out"
}

TOKEN=123456789:TEST-only-nobodys-token
printf '%s\n' "$TOKEN" >"$work/token"

it "helps who has nothing yet"
run 0 project list
says "tmakvctl project create"

it "creates a project from a token file, and keeps no token"
run 0 project create shop --bot-token-file "$work/token"
says "123456789 (by its token)"
says "tmakvctl key create shop"
says "tmakvctl rules set shop --preset private" err
[ "$(wc -l <"$work/err")" -eq 1 ] || fail "it says $(cat "$work/err")"
# The log of a database holds all that was ever written to it.
! grep -rqaF -e "${TOKEN#*:}" "$work/data" "$work/tmakvd.log" || fail "the token was stored"

it "E5: warns when everybody may read the token's file, and refuses the token itself on a command line"
cp "$work/token" "$work/open"
chmod 644 "$work/open"
run 0 project create open --bot-token-file "$work/open"
says "chmod 600" err
run 64 project create told --bot-token-file "$TOKEN"
says "not the token" err
! grep -qF -e "$TOKEN" "$work/out" "$work/err" || fail "it said the token"
run 0 project delete open --yes

it "takes a token on standard input, and bots by id"
printf '%s\n' "987654321:$TOKEN" | tr -d '\n' >"$work/bad"
run 64 project create bad --bot-token-file "$work/bad"
says "holds no bot token" err
printf '%s' "${TOKEN}x" | ctl project create two --bot-token-file - --bot-token-file "$work/token" \
	--bot-id 7 --test --bot-id 8 --json >"$work/out" || fail "not created"
says '{"id":123456789,"mode":"hmac","secrets":2}'
says '"id":7,"mode":"ed25519","environment":"test"'
says '"id":8,"mode":"ed25519","environment":"production"'
[ "$(wc -l <"$work/out")" -eq 1 ] || fail "more than a line"
id=$(value id)

it "warns of a project without a bot"
run 0 project create server-only
says "nobody can sign in" err

it "finds a project by name, id and digits"
for any in two "$id" "${id//-/}"; do
	run 0 project show "$any" --json
	says "\"namespace_id\":\"${id//-/}\""
	says '"usage":{"keys":0,"bytes":0}'
done

it "tells a name that is taken from one that cannot be"
run 1 project create shop
says "already" err
run 1 project rename two shop --json
says '"code":"conflict"'
run 64 project create Shop
run 1 project show nothing
says "no project 'nothing'" err

it "renames, disables and enables"
run 0 project rename two three
run 1 project show two
run 0 project disable three
run 0 project list
grep -q '^three .*disabled' "$work/out" || fail "$(cat "$work/out")"
run 0 project enable three --json
says '"state":"active"'

it "shows an API key once, alone on standard output"
run 0 key create shop --name backend
grep -Eqx 'tmakv_[A-Za-z0-9_-]{43}' "$work/out" || fail "$(cat "$work/out")"
says "shown this once" err
key=$(cat "$work/out")
run 0 key create shop --read-only --json
says '"right":"read"'
key_id=$(value id)
run 0 key list shop
says "backend"
says "$key_id"
! grep -rqaF -e "$key" "$work/data" "$work/tmakvd.log" "$work/out" || fail "the key was kept"
run 0 key revoke shop "$key_id"
run 1 key revoke shop "$key_id"
run 0 key list shop --json
[ "$(value name)" = backend ] || fail "$(cat "$work/out")"

it "shows limits, sets some of them, and lets go of them again"
run 0 project limit shop
says "131072 bytes at most"
run 0 project limit shop --value-limit 25M --write-limit 0 --min-ttl 1
says "26214400 bytes at most"
says "no limit"
says "1 s at least"
run 0 project limit shop --write-limit 7 --value-limit default --json
says '"value_limit":131072'
says '"write_limit":7'
says '"min_ttl_s":1'
run 64 project limit shop --value-limit 25601K
says "from 1 to 26214400" err
run 64 project limit shop --value-limit 0
run 64 project limit shop --write-limit 1000001
run 64 project limit shop --min-ttl 0
run 64 project limit shop --min-ttl standard
run 1 project limit nothing --min-ttl 1
run 0 project limit shop
says "7 a second and key"

it "sets access rules, shows them as they were, and explains them"
run 0 rules show shop
says "every signed-in user reaches every key" err
run 0 project show shop
says "none: every signed-in user"
run 0 rules test shop --user 12 delete anything
says "allowed: the project has no access rules"
for preset in shared private private+public; do
	run 0 rules set shop --preset $preset
	says "access rule"
	run 0 rules show shop --json
	says '"count":'
done
run 0 project show shop
says "2, see tmakvctl rules show"
run 0 rules test shop --user 12 write user:12:a
says "allowed: rule 1 'user:{telegramId}:**'"
run 1 rules test shop --user 12 write user:123:a
says "denied: no rule matches the key"
run 1 rules test shop --user 12 delete public:a
says "denied: rule 2 'public:**' matches, but none grants delete"
run 0 rules test shop --user 12 list ''
says "the list walks keys that begin with 'public:', keys that begin with 'user:12:'"
run 1 rules test shop --user 12 list user:13 --json
says '"allowed":false,"reason":"no_match"'
printf '%s\n' '{"version":1,"maxKeys":9,"rules":[ {"match":"a:*","allow":["write"],"maxBytes":5} ]}' >"$work/rules"
run 0 rules set shop --file "$work/rules"
says "has 1 access rule now, and each user may own 9 keys"
run 0 rules show shop
cmp "$work/rules" "$work/out" || fail "they are not as they were"
run 0 rules test shop --user 12 write a:b --bytes 5
says "allowed: rule 1 'a:*', values of at most 5 bytes"
run 1 rules test shop --user 12 write a:b --bytes 6
says "denied: rule 1 'a:*' grants values, but of at most 5 bytes"
run 1 rules test shop --user 12 list a
printf '%s\n' '{"version":1,"rules":[{"match":"u{telegramId}","allow":["read"]}]}' >"$work/rules"
run 64 rules set shop --file "$work/rules"
says "rule 1: 'u{telegramId}' cannot be a segment" err
head -c 20000 /dev/zero | tr '\0' ' ' >"$work/rules"
run 64 rules set shop --file "$work/rules"
says "more than 16384 bytes" err
run 64 rules set shop
run 64 rules set shop --none --preset private
run 64 rules set shop --preset none
run 64 rules test shop read a
run 64 rules test shop --user 12 see a
run 1 rules show nothing
run 0 rules set shop --none
says "has no access rules now"

it "makes, lists and revokes admin keys"
run 0 admin-key list
says "tmakvctl admin-key create"
run 0 admin-key create --name ops
grep -Eqx 'tmakv_[A-Za-z0-9_-]{43}' "$work/out" || fail "$(cat "$work/out")"
says "for all projects" err
key=$(cat "$work/out")
run 0 admin-key list
says "ops"
! grep -rqaF -e "$key" "$work/data" "$work/tmakvd.log" "$work/out" || fail "the key was kept"
run 0 admin-key list --json
key_id=$(value id)
run 0 key list shop
! grep -qF "$key_id" "$work/out" || fail "it is the project's: $(cat "$work/out")"
run 1 key revoke shop "$key_id"
run 0 admin-key revoke "$key_id"
run 1 admin-key revoke "$key_id"

it "checks initData as the server does"
init_data=$(printf '%s\n' "$TOKEN" | "$top_srcdir/conf/sign-initdata.sh" 4242 Ann)
check() {
	local rc=0
	printf '%s\n' "$init_data" | ctl check-initdata "$@" >"$work/out" 2>"$work/err" || rc=$?
	return $rc
}
check --project shop || fail "refused: $(cat "$work/out" "$work/err")"
says "user 4242 (Ann)"
check --project shop --json || fail "refused"
[ "$(cat "$work/out")" = '{"accept":true,"reason":"ok","user":4242}' ] || fail "$(cat "$work/out")"
check --project shop --now $(($(date +%s) + 90000)) --json && fail "accepted"
[ "$(cat "$work/out")" = '{"accept":false,"reason":"expired","user":null}' ] || fail "$(cat "$work/out")"
check --project server-only && fail "accepted"
says "no bot"
check --project nothing
[ $? -eq 1 ] || fail "$(cat "$work/out" "$work/err")"
says "no project" err
ctl project disable shop >/dev/null
check --project shop --json && fail "accepted"
says '"reason":"project_disabled"'
ctl project enable shop >/dev/null

if command -v nginx >/dev/null && command -v jq >/dev/null; then
	it "finds a token of the server good, and only for its project"
	start_front
	run 0 project show shop --json
	PROJECT_ID=$(value id)
	validate "$init_data"
	expect 200
	token=$jwt
	ask GET /.well-known/jwks.json
	expect 200
	cp "$work/body" "$work/jwks.json"
	printf '%s\n' "$token" | ctl check-jwt --jwks "$work/jwks.json" --project "$PROJECT_ID" --json >"$work/out" ||
		fail "refused: $(cat "$work/out")"
	[ "$(cat "$work/out")" = '{"accept":true,"reason":"ok","user":4242}' ] || fail "$(cat "$work/out")"
	printf '%s\n' "$token" | ctl check-jwt --jwks "$work/jwks.json" --project "$id" >"$work/out" && fail "accepted"
	says "refused: wrong_project"

	it "makes admin keys that work for every project until they are revoked"
	run 0 status --json
	account=$(value account_id)
	run 0 admin-key create --json
	key_id=$(value id) key=$(value key)
	namespaces=/client/v4/accounts/$account/storage/kv/namespaces
	as_user "$key" GET "$namespaces"
	expect 200 '"title":"shop"' '"title":"three"' '"title":"server-only"'
	as_user "$key" PUT "$namespaces/${PROJECT_ID//-/}/values/a" --data-binary x
	expect 200
	run 0 project limit shop --value-limit 3
	as_user "$key" PUT "$namespaces/${PROJECT_ID//-/}/values/a" --data-binary 1234
	expect 413
	run 0 project limit shop --value-limit 4
	as_user "$key" PUT "$namespaces/${PROJECT_ID//-/}/values/a" --data-binary 1234
	expect 200
	run 0 admin-key revoke "$key_id"
	as_user "$key" GET "$namespaces"
	expect 401
	stop_front
fi

it "shows how the server is"
run 0 status
says "projects    3"
says "writes      accepted"
says "requests answered"
says "pages were in it"
run 0 status --json
says '"version":"'
says '"batches":'
jq -e '.store.cache_hits > 0 and .store.cache_misses > 0' <"$work/out" >/dev/null || fail "not how much of the cache is used"

it "finds the socket in the configuration and in the environment"
"$TMAKVCTL" -c "$work/tmakv.conf" status >/dev/null || fail "not by -c"
TMAKV_CONTROL=$work/control.sock "$TMAKVCTL" status >/dev/null || fail "not by TMAKV_CONTROL"

it "asks before it deletes, or wants to be told"
run 64 project delete three
says "--yes" err
if command -v script >/dev/null; then
	script -qec "'$TMAKVCTL' --control '$work/control.sock' project delete three" /dev/null <<<"thre" >"$work/out"
	[ $? -eq 1 ] || fail "deleted: $(cat "$work/out")"
	run 0 project show three
	script -qec "'$TMAKVCTL' --control '$work/control.sock' project delete three" /dev/null <<<"three" >"$work/out" ||
		fail "not deleted: $(cat "$work/out")"
	run 1 project show three
fi
run 0 project delete shop --yes
run 1 key list shop

it "keeps what it did"
stop_server || fail "tmakvd did not end well"
run 69 status
start_server
run 0 project list --json
says '"name":"server-only"'
! grep -qF shop "$work/out" || fail "$(cat "$work/out")"

it "keeps others out"
[ "$(stat -c %a "$work/control.sock")" = 600 ] || fail "the socket has mode $(stat -c %a "$work/control.sock")"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	cp "$TMAKVCTL" "$work/tmakvctl"
	chmod 755 "$work/tmakvctl"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$work/tmakvctl" --control "$work/control.sock" status 2>"$work/err"
	[ $? -eq 77 ] || fail "$(cat "$work/err")"
	says "only root" err
fi
