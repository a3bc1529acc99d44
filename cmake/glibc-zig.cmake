# Toolchain: x86-64 Linux with glibc 2.35, Ubuntu 22.04's, by zig on a system with that glibc or a later one (preset glibc). zig has the C
# library's headers and the names of its functions as they were then; zlib and cJSON are this system's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
set(CMAKE_C_COMPILER_TARGET x86_64-linux-gnu.2.35)
set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu) # where Debian and Ubuntu have libraries

# A folder with zlib's headers alone: beside them lie those of this system's C library.
set(zlib_headers ${zig_tools}/zlib)
foreach(header zlib.h zconf.h)
  find_path(${header}_folder ${header} PATHS /usr/include /usr/include/x86_64-linux-gnu NO_DEFAULT_PATH REQUIRED)
  configure_file(${${header}_folder}/${header} ${zlib_headers}/${header} COPYONLY)
endforeach()
set(ZLIB_INCLUDE_DIR ${zlib_headers})
