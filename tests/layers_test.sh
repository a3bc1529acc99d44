#!/bin/sh
# layers_test.sh: holds src/layers.txt, who may include whom. Then plants wrong includes in a copy, which must be found.
set -eu
cd "$PONS_SOURCE_DIR"

# check_layers ROOT: a line per wrong include; fails if there is one.
check_layers() {
  (cd "$1" && find src lib python tools examples bench -type f \( -name '*.[ch]' -o -name '*.def' \) 2>/dev/null | sort) |
    awk -v root="$1" '
      function exists(path,   line, found) {
        found = (getline line < path) >= 0
        close(path)
        return found
      }
      function wrong(text) { print file ":" number ": " text; bad = 1 }

      BEGIN {
        while ((getline line < (root "/src/layers.txt")) > 0) {
          sub(/#.*/, "", line)
          if (split(line, half, ":") < 2) continue
          folder = half[1]
          rank[folder] = ++folders
          n = split(half[2], word, " ")
          for (i = 1; i <= n; i++) allowed[folder, word[i]] = 1
        }
      }

      # One include of `path` in a file of src/`layer`.
      function check_inside(layer, path,   part, target) {
        split(path, part, "/")
        target = part[1]
        if (target == layer || (layer, path) in allowed) return
        # A test may use what tests share.
        if (file ~ /_(test|fuzz)\.[ch]$|for_tests\.h$/ && target == "tests") return
        if (path != target "/" target ".h") return wrong("reaches past the door " target "/" target ".h: " path)
        if ((layer, target) in allowed) return
        # A test may use all that stands above its layer in the list.
        if (file ~ /_(test|fuzz)\.[ch]$/ && rank[target] && rank[target] < rank[layer]) return
        wrong(layer " may not include " path)
      }

      {
        file = $0
        number = 0
        split(file, part, "/")
        inside = part[1] == "src"
        layer = inside ? part[2] : part[1]
        if (!(layer in rank)) wrong("src/layers.txt has no line for " layer)
        folder = file
        sub(/[^\/]*$/, "", folder)
        while ((getline line < (root "/" file)) > 0) {
          number++
          if (line !~ /^[ \t]*#[ \t]*include[ \t]*["<]/) continue
          quoted = line ~ /include[ \t]*"/
          sub(/^[^"<]*["<]/, "", line)
          sub(/[">].*/, "", line)
          if (inside && (quoted || exists(root "/src/" line))) check_inside(layer, line)
          else if (!inside && quoted && !exists(root "/" folder line)) wrong(layer " may include only include/: " line)
          else if (!inside && !quoted && exists(root "/src/" line)) wrong(layer " may include only include/: " line)
        }
        close(root "/" file)
      }
      END { exit bad }'
}

check_layers . || {
  echo "layers: the includes above are against src/layers.txt"
  exit 1
}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R src lib "$copy"
mkdir -p "$copy/tools" "$copy/src/run"
echo '#include "graph/graph.h"' >"$copy/src/base/planted_up.c"
echo '#include "graph/scope.h"' >"$copy/src/run/planted_past_the_door.c"
echo '  #  include "graph/graph.h"' >"$copy/lib/io/planted_inside.c"
echo '#include <base/base.h>' >"$copy/tools/planted_angle.c"
echo '#include "run/run.h"' >"$copy/src/graph/planted_test.c"
mkdir "$copy/src/unlisted"
echo '#include <stdio.h>' >"$copy/src/unlisted/planted_folder.c"
found=$(check_layers "$copy" || true)
for planted in planted_up planted_past_the_door planted_inside planted_angle planted_test planted_folder; do
  case $found in
  *"$planted"*) ;;
  *)
    echo "layers: the check did not find $planted"
    exit 1
    ;;
  esac
done
echo "layers hold; $(printf '%s\n' "$found" | wc -l) planted violations were found"
