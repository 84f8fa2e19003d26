#!/bin/sh
# PID 1 of the User-mode Linux guest. Its root is the host's own file system, so everything that is
# written to gets a tmpfs first. After the setup it is a shell on the console: one command per line
# in, its output and a line "@@STATUS" out. End of input, or the host killing the process, ends it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
stty -echo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs etc /etc/iscsi
ip link set lo up
ip addr add 192.0.2.2/24 dev vec0
ip link set vec0 up

# modprobe wants /lib/modules/VERSION; Debian keeps UML's modules elsewhere.
mkdir -p /run/modules/lib/modules /run/lock/iscsi /run/volume
ln -s "/usr/lib/uml/modules/$(uname -r)" "/run/modules/lib/modules/$(uname -r)"
modprobe -d /run/modules iscsi_tcp
modprobe -d /run/modules sd_mod

echo 'InitiatorName=iqn.2026-11.io.keelson:initiator' > /etc/iscsi/initiatorname.iscsi
: > /etc/iscsi/iscsid.conf
iscsid

echo '@@ready'
while IFS= read -r command; do
  eval "$command" 2>&1
  printf '\n@@%d\n' "$?"
done
poweroff -f
