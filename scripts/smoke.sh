#!/usr/bin/env bash
# The binary, as a user would use it: smoke.sh BINARY FOLDER
set -euo pipefail
binary=$1
folder=$2

"$binary" demo -o "$folder/RUN" | tee "$folder/demo.txt"
"$binary" info "$folder/RUN/archive"
"$binary" report "$folder/RUN" -o "$folder/again.html"
test -s "$folder/again.html"

# The same command again passes over everything that is done.
"$binary" demo -o "$folder/RUN" > "$folder/again.txt"
cmp "$folder/demo.txt" "$folder/again.txt"

# Exit codes: 1 for a file that is none, 2 for wrong usage.
code=0
"$binary" info "$0" || code=$?
test "$code" = 1
code=0
"$binary" scater || code=$?
test "$code" = 2
