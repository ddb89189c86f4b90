#!/bin/sh
# Runs a Docker engine, as root:  engine.sh STORE FOLDER DRIVER GROUP
#
# STORE keeps its images, FOLDER its socket and everything that ends with it. The store is locked until the last process
# of the engine has ended. The engine has a process namespace of its own, so that its containers end with it, and doesn't see
# the system's containerd, which it would use instead of one of its own.
store=$1 folder=$2 driver=$3 group=$4
PATH=$PATH:/usr/sbin:/sbin
# shellcheck disable=SC2016
exec flock "$store/lock" unshare --pid --fork --kill-child --mount-proc \
  sh -c '[ ! -d /run/containerd ] || mount -t tmpfs tmpfs /run/containerd; exec "$@"' engine \
  dockerd --storage-driver="$driver" --iptables=false --ip6tables=false --bridge=none --log-level=warn --shutdown-timeout=1 \
  --data-root "$store/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" \
  --host "unix://$folder/docker.sock" --group "$group"
