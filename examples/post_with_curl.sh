#!/bin/sh
# Denoise an image with curl and jq alone: upload, job, progress, download, errors.
#
#     CLEARSCOPE_API_KEY=cs_... examples/post_with_curl.sh cells.tif results "Spinning disc 2"
#
# CLEARSCOPE_SERVER is the address of the server (default: http://127.0.0.1:8000), CLEARSCOPE_API_KEY an API key with the
# scopes read and submit, if the server wants one, CLEARSCOPE_PRESET the preset (default: instant).
# Exit code: 0 denoised, 1 refused or no answer, 2 the job has failed.
set -eu

image=${1:?image to denoise} folder=${2:?folder for the results} microscope=${3:?microscope of the image}
server=${CLEARSCOPE_SERVER:-http://127.0.0.1:8000}
preset=${CLEARSCOPE_PRESET:-instant}
run="$(hostname)-$$-$(date +%s)"   # of this run, for Idempotency-Keys
answer=$(mktemp) headers=$(mktemp)
trap 'rm -f "$answer" "$headers"' EXIT
trap 'exit 1' INT TERM

# ask OPTION... PATH: send a request, whose answer is in $answer. A request is tried again after failures that may pass,
# not before the time of Retry-After. The key goes through a pipe, as everybody sees the options of a command.
ask() {
    if [ -n "${CLEARSCOPE_API_KEY:-}" ]; then printf 'header = "Authorization: Bearer %s"\n' "$CLEARSCOPE_API_KEY"; fi |
        curl --config - --silent --show-error --fail-with-body --output "$answer" \
            --retry 5 --retry-connrefused --retry-max-time 60 "$@" || refused
}

# An error is a problem document (RFC 9457), whose detail says what is wrong and what would be right.
refused() {
    jq -r '"\(.title): \(.detail)"' "$answer" >&2 2>/dev/null || true
    exit 1
}

encoded() { jq -rn --arg text "$1" '$text | @uri'; }

# --upload-file sends the file piece by piece; --data-binary would first read all of it into memory.
ask --request POST --upload-file "$image" --header "Idempotency-Key: image-$run" \
    "$server/v1/images?filename=$(encoded "$(basename "$image")")&microscope=$(encoded "$microscope")"
jq -r '.warnings[] | "warning: \(.)"' "$answer" >&2
image_id=$(jq -r .id "$answer")

spec=$(jq -n --arg image "$image_id" --arg preset "$preset" '{kind: "denoise", image_ids: [$image], $preset}')
ask --header 'Content-Type: application/json' --header "Idempotency-Key: job-$run" --data "$spec" "$server/v1/jobs"
job_id=$(jq -r .id "$answer")

state=queued
while [ "$state" = queued ] || [ "$state" = running ]; do
    # The answer comes when the job has ended, or after 2 seconds, so that there is progress to tell.
    ask --header 'Prefer: wait=2' --dump-header "$headers" "$server/v1/jobs/$job_id"
    state=$(jq -r .state "$answer")
    jq -r '"\(.state) \(.progress * 100 | floor) %"' "$answer" >&2
    # A server on which many wait answers at once, and says nothing of the preference.
    grep -qi '^preference-applied:' "$headers" || sleep 2
done
if [ "$state" != succeeded ]; then
    jq -r '"job \(.id) \(.state): \(.error.detail // "it was cancelled")"' "$answer" >&2
    exit 2
fi

job=$(cat "$answer")
mkdir -p "$folder"
printf '%s' "$job" | jq -r '.result.artifacts[] | [.href, .sha256, .name] | @tsv' |
    while IFS="$(printf '\t')" read -r href digest name; do
        ask "$server$href"
        echo "$digest  $answer" | sha256sum --check --status || { echo "$name: damaged on its way" >&2; exit 1; }
        cp "$answer" "$folder/.$name.part"   # a result appears whole or not at all
        mv "$folder/.$name.part" "$folder/$name"
        echo "$folder/$name"
    done
printf '%s' "$job" | jq -r '.result.trust // empty | "\(.verdict): \(.sentence)"'
