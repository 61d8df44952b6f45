#!/bin/sh
# Starts Redis with the one user that mien needs. The password comes from the environment and is
# written nowhere but, hashed, into a file in memory: it is in no command line.
set -eu

here=$(dirname "$0")
users=${MIEN_REDIS_USERS:-/tmp/users.acl}
[ -n "${MIEN_REDIS_PASSWORD:-}" ] || { echo "MIEN_REDIS_PASSWORD is empty" >&2; exit 2; }
hash=$(printf %s "$MIEN_REDIS_PASSWORD" | sha256sum | cut -d ' ' -f 1)

umask 077
sed "s/{password}/$hash/" "$here/users.acl" > "$users"
exec "${MIEN_REDIS_SERVER:-redis-server}" "$here/redis.conf" --aclfile "$users" \
  --maxmemory "${MIEN_REDIS_MAXMEMORY:-2gb}" "$@"
