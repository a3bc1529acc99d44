# Toolchain: arm64 macOS by zig, on another system (preset macos). Of macOS zig has the C library and its headers. zlib is part of macOS, cJSON of
# Homebrew: what is linked against is a list of the functions in their headers, of which cJSON's is this system's.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
set(CMAKE_OSX_ARCHITECTURES "") # zig is told by its target

include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
set(CMAKE_C_COMPILER_TARGET aarch64-macos)
set(CMAKE_INSTALL_NAME_TOOL ${CMAKE_COMMAND} -E true) # nothing is installed

# stub(FILE HEADER PATTERN INSTALLED_AS): a list of the functions that a header declares, to be linked against.
function(stub file header pattern installed_as)
  file(READ ${header} text)
  string(REGEX MATCHALL "${pattern}" found "${text}")
  set(names "")
  foreach(one ${found})
    string(REGEX REPLACE "^.*[^a-zA-Z0-9_]([a-zA-Z0-9_]+)$" "_\\1" one "${one}")
    list(APPEND names ${one})
  endforeach()
  list(REMOVE_DUPLICATES names)
  list(JOIN names ", " names)
  file(WRITE ${file}
       "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: '${installed_as}'\n"
       "exports:\n  - targets: [ arm64-macos ]\n    symbols: [ ${names} ]\n...\n")
endfunction()

set(ZLIB_LIBRARY ${zig_tools}/libz.tbd)
set(ZLIB_INCLUDE_DIR ${pons_root}/build/zig/ziglang/lib/libc/include/any-darwin-any)
stub(${ZLIB_LIBRARY} ${ZLIB_INCLUDE_DIR}/zlib.h "ZEXPORT(VA)? +[a-zA-Z0-9_]+" /usr/lib/libz.1.dylib)

# A folder with the one header: the others beside it are this system's.
find_path(cjson_folder cJSON.h PATHS /usr/include/cjson /usr/local/include/cjson NO_DEFAULT_PATH REQUIRED)
configure_file(${cjson_folder}/cJSON.h ${zig_tools}/include/cJSON.h COPYONLY)
stub(${zig_tools}/libcjson.tbd ${zig_tools}/include/cJSON.h "CJSON_PUBLIC\\([^)]*\\) *cJSON_[a-zA-Z0-9_]+"
     /opt/homebrew/opt/cjson/lib/libcjson.1.dylib)
set(ENV{PKG_CONFIG_LIBDIR} ${zig_tools})
file(WRITE ${zig_tools}/libcjson.pc
     "Name: libcjson\nDescription: Homebrew's\nVersion: 1.7\nCflags: -I${zig_tools}/include\n"
     "Libs: ${zig_tools}/libcjson.tbd\n")
