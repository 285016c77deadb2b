#!/bin/sh
# The browser tests need Chromium and a Chinese font: install Debian's where we may, else say what is left out.
if command -v chromium > /dev/null && fc-list 2> /dev/null | grep -qi 'cjk'; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  echo "安装 Chromium 与中文字体 / installing Chromium and a Chinese font ..."
  if apt-get -qq update > /dev/null &&
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      chromium fonts-noto-cjk fontconfig > /dev/null; then
    exit 0
  fi
fi
if ! command -v chromium > /dev/null; then
  echo "未运行浏览器测试：没有 Chromium，且无权安装（apt-get install chromium fonts-noto-cjk）"
  echo "LEFT OUT: the browser tests. There is no Chromium and it may not be installed here"
else
  echo "没有中文字体：截图中的汉字可能显示为方框 / no Chinese font: screenshots may show boxes for characters"
fi
