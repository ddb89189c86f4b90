#!/bin/sh
# Answers every request with the stock of the shop.
set -eu
echo "api: listening on 8080"
while true; do
  printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"stock":["rope","anchor"]}\n' | nc -l -p 8080
done
