# Writes the texts of FILES, one after the other and without comments, indents, empty lines, what aligns the ends of macros' lines,
# and #include lines of headers called *.h (Metal's metal_stdlib is none), into OUT as the array NAME:
#   cmake -DOUT=... -DNAME=... -DFILES=a;b -P embed.cmake
# It is compressed: the byte 1, "<bytes here> <bytes of the text> ", then a stream of deflate (RFC 1951). gpu_add_text reads it.

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
file(SIZE ${OUT}.txt size)
file(ARCHIVE_CREATE OUTPUT ${OUT}.gz PATHS ${OUT}.txt FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
file(READ ${OUT}.gz hex HEX)
file(REMOVE ${OUT}.txt ${OUT}.gz)

# What gzip (RFC 1952) has around the stream, with the time among it, is left out: ten bytes in front, eight behind.
string(LENGTH "${hex}" digits)
math(EXPR packed "${digits} / 2 - 18")
math(EXPR digits "${packed} * 2")
string(SUBSTRING "${hex}" 20 ${digits} hex)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "0x([89a-f])" "(char)0x\\1" bytes "${bytes}") # char may have a sign
string(REGEX REPLACE "(.)" "'\\1'," sizes "${packed} ${size} ")
file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {1,${sizes}${bytes}};\n")
