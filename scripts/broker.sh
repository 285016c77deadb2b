#!/bin/sh
# The tests of MQTT 5 need a broker that speaks it: unpack Debian's mosquitto beside the virtual environment ($1) where
# the packages can be had, else say what is left out. Nothing is installed and no service is started.
if command -v mosquitto > /dev/null || [ -x "$1/share/mosquitto/usr/sbin/mosquitto" ]; then
  exit 0
fi
leave_out() {
  echo "未运行 MQTT 5 测试：没有 mosquitto，也下载不到（apt-get install mosquitto）"
  echo "LEFT OUT: the tests of MQTT 5. There is no mosquitto and it cannot be downloaded here"
  exit 0
}
command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || leave_out
[ "$(id -u)" = 0 ] && [ -z "$(apt-cache policy mosquitto 2> /dev/null)" ] && apt-get -qq update > /dev/null 2>&1
folder=$(mktemp -d) && chmod 755 "$folder" && cd "$folder" || leave_out
packages=$(apt-get -s install --no-install-recommends mosquitto 2> /dev/null | sed -n "s/^Inst \([^ ]*\) .*/\1/p")
[ -n "$packages" ] && apt-get -qq download $packages > /dev/null 2>&1 || leave_out
mkdir -p unpacked
for package in *.deb; do dpkg-deb -x "$package" unpacked || leave_out; done
mkdir -p "$1/share" && rm -rf "$1/share/mosquitto" && mv unpacked "$1/share/mosquitto"
rm -rf "$folder"
