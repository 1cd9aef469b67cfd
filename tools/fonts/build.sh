#!/bin/sh
# Cuts the fonts the screen embeds out of those Debian packages. Not part of a normal build: the results are committed.
# Needs fonts-noto-core, fonts-noto-cjk and fonttools (pyftsubset). Run it from the top of the repository: make fonts
set -eu

out=touchui/theme/fonts
noto=/usr/share/fonts/truetype/noto
cjk=/usr/share/fonts/opentype/noto
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for f in "$noto/NotoSans-Bold.ttf" "$noto/NotoSansArabic-Bold.ttf" "$cjk/NotoSansCJK-Bold.ttc"; do
	[ -f "$f" ] || { echo "fonts: $f is missing: apt-get install fonts-noto-core fonts-noto-cjk" >&2; exit 1; }
done
command -v pyftsubset >/dev/null || { echo "fonts: pyftsubset is missing: apt-get install fonttools" >&2; exit 1; }

# What every language may need: Latin with its extensions, Greek, Cyrillic, punctuation, arrows, a few signs.
latin=0020-007E,00A0-024F,0259,02B9-02DD,0300-030C,0323,0327,0328,0370-03FF,0400-045F,0490-0491,1E00-1EFF,2010-203A,2044,2070-208E,20A0-20BF,2103,2109,2116,2122,2126,2190-2193,2212,2215,2248,2260,2264,2265
# Arabic with Persian and Urdu, and what joins and turns.
arabic=0020,00A0,00AB,00BB,0600-06FF,0750-077F,200B-200F,2010-2011,202F
# Japanese: kana, full-width forms, punctuation, and the 2,965 kanji of JIS X 0208 level 1.
python3 - "$work/japanese" <<'PY'
import sys
chars = set(map(chr, [*range(0x3000, 0x3100), *range(0x31F0, 0x3200), *range(0xFF01, 0xFF9F), 0x2015, 0x2025, 0x2026, 0x2103]))
for row in range(0xB0, 0xD0):
    for cell in range(0xA1, 0xFF):
        try:
            chars.add(bytes([row, cell]).decode('euc_jp'))
        except UnicodeDecodeError:
            pass
open(sys.argv[1], 'w', encoding='utf-8').write(''.join(sorted(chars)))
PY
cat touchui/words/data/*ja.json >>"$work/japanese" # and every kanji our own words use

cut() { # source, target, further options
	from=$1 to=$2
	shift 2
	pyftsubset "$from" --output-file="$out/$to" --no-hinting --name-IDs=0,1,2,13,14 --drop-tables+=FFTM,DSIG --notdef-outline "$@"
	echo "$to $(wc -c <"$out/$to") bytes"
}

for w in Regular Bold; do
	cut "$noto/NotoSans-$w.ttf" "NotoSans-$w.ttf" --unicodes="$latin" --layout-features=kern,mark,mkmk,ccmp,locl
	cut "$noto/NotoSansArabic-$w.ttf" "NotoSansArabic-$w.ttf" --unicodes="$arabic" --layout-features='*'
done
# One weight: it is the heaviest file by far, and the design sets other scripts in bold.
cut "$cjk/NotoSansCJK-Bold.ttc" NotoSansJP-Bold.otf --font-number=0 --text-file="$work/japanese" --layout-features=kern,ccmp,locl
