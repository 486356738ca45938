#!/usr/bin/env bash
# deploy/train.sh SHARE SQUALL [WATCHER…]: puts it through a SHARE-th of what it does all day, so that a profile of its own work can be taken.
# One Squall stands in for the far end and answers everything by a rule; another lies before it, with rules of its own and the authority of
# the other, and is reached as clients reach it. Both run under WATCHER, if one is given. Needs curl. Everything stays on loopback, and on
# ports that are free.
set -euo pipefail
share=$1 squall=("${@:3}" "$2")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
pids=()
trap 'stop; rm -rf "$work"' EXIT

# A profile is written when its program ends by itself.
stop() {
    [ "${#pids[@]}" = 0 ] || kill "${pids[@]}"
    wait
    pids=()
}

# Starts one under a name; its address is in $work/NAME.address then.
serve() {
    local name=$1 ready=$work/$1.ready
    shift
    "${squall[@]}" serve --listen 127.0.0.1:0 --ready-file "$ready" "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 300); do
        [ ! -s "$ready" ] || break
        sleep 0.1
    done
    sed -n 's/.*"listen":\["\([^"]*\)".*/\1/p' "$ready" >"$work/$name.address"
}

# request TIMES HOST OPTIONS…: the same request so many times (its share of them), on four connections that are kept.
request() {
    local times=$((($1 + share - 1) / share)) host=$2
    shift 2
    curl --silent --show-error --no-progress-meter --output /dev/null --noproxy '' --proxy "http://$(cat "$work/near.address")" --cacert "$ca/ca.pem" \
        --parallel --parallel-max 4 --header "$SIGNED/${host%%.*}/aws4_request, SignedHeaders=host, Signature=0" \
        --header 'amz-sdk-invocation-id: 1e7f0c1a-8d5e-4a6b-9f3c-2d4b6a8c0e1f' --header 'amz-sdk-request: attempt=1; max=3' \
        --user-agent 'aws-sdk-rust/1.3.3 ua/2.1 os/linux lang/rust/1.95.0 m/E' "$@" "https://$host/${path:-}#[1-$times]"
}
SIGNED='Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20250601/us-east-1'

dynamodb() {
    request "$1" dynamodb.us-east-1.amazonaws.com --header "X-Amz-Target: DynamoDB_20120810.$2" \
        --header 'Content-Type: application/x-amz-json-1.0' --data '{"TableName":"orders","Key":{"id":{"S":"42"}}}' "${@:3}"
}

printf 'rules: [{name: all, fault: access_denied}]\n' >"$work/far.yaml"
head -c 262144 /dev/zero >"$work/body"
ca=$work/authority
serve far --profile "$work/far.yaml" --ca-dir "$ca"
serve near --profile "$root/benches/rules.yaml" --resolve "*:443:$(cat "$work/far.address")" --upstream-ca "$ca/ca.pem" \
    --ca-cert "$ca/intermediate.pem" --ca-key "$ca/intermediate.key"

dynamodb 30000 GetItem --http1.1
dynamodb 20000 PutItem --http1.1
dynamodb 3000 GetItem --http2
path=bucket/key request 3000 s3.us-east-1.amazonaws.com --http1.1
path=bucket/key request 300 s3.us-east-1.amazonaws.com --http1.1 --upload-file "$work/body"
request 3000 sqs.us-east-1.amazonaws.com --http1.1 --data 'Action=SendMessage&Version=2012-11-05&QueueUrl=q&MessageBody=m'
path=2015-03-31/functions/f/invocations request 3000 lambda.us-east-1.amazonaws.com --http1.1 --data '{}'
for _ in $(seq $(((100 + share - 1) / share))); do
    dynamodb 1 GetItem --http1.1
done
stop
