#!/bin/sh
# Takes orders from the queue, one after the other.
set -eu
echo "worker: waiting for orders in ${QUEUE:?}"
while true; do sleep 5; done
