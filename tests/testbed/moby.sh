#!/bin/sh
# Runs a Docker engine that keeps its images in containerd, as root:  moby.sh ENGINE FOLDER GROUP
#
# FOLDER keeps everything. As engine.sh's, its processes and mounts end with it, and it has a containerd of its own.
engine=$1 folder=$2 group=$3
PATH=$PATH:/usr/sbin:/sbin
# shellcheck disable=SC2016
exec unshare --mount --pid --fork --kill-child --mount-proc \
  sh -c '[ ! -d /run/containerd ] || mount -t tmpfs tmpfs /run/containerd; exec "$@"' engine \
  "$engine" --iptables=false --ip6tables=false --bridge=none --log-level=warn --shutdown-timeout=1 \
  --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" \
  --host "unix://$folder/docker.sock" --group "$group"
