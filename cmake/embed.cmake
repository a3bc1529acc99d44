# Writes the texts of FILES, one after the other and without comments, indents, empty lines, what aligns the ends of macros' lines,
# and #include lines of headers called *.h (Metal's metal_stdlib is none), as a C string called NAME into OUT:
#   cmake -DOUT=... -DNAME=... -DFILES=a;b -P embed.cmake

set(all "")
foreach(file ${FILES})
  file(READ ${file} one)
  string(REGEX REPLACE "(^|\n)#include [<\"][^\n]*[.]h[>\"]" "\\1" one "${one}")
  string(REGEX REPLACE "/[*]([^*]|[*]+[^*/])*[*]+/" "" one "${one}")
  string(REGEX REPLACE "[ \t]*\n[ \t\n]*" "\n" one "${one}")
  string(REGEX REPLACE "[ \t]+\\\\\n" " \\\\\n" one "${one}")
  string(APPEND all "${one}\n")
endforeach()
file(WRITE ${OUT}.txt "${all}")
file(READ ${OUT}.txt hex HEX)
file(REMOVE ${OUT}.txt)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {${bytes}0};\n")
