# zig as a compiler for another system than this one, which a toolchain file names afterwards (CMAKE_C_COMPILER_TARGET). ./do fetches it
# into build/zig. Sets pons_root, zig and zig_tools: a folder for what a toolchain makes up.
get_filename_component(pons_root ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
set(zig ${pons_root}/build/zig/ziglang/zig)
if(NOT EXISTS ${zig})
  message(FATAL_ERROR "no ${zig}; ./do macos fetches it")
endif()
# Programs that take no arguments of their own in front.
set(zig_tools ${pons_root}/build/zig/tools)
foreach(tool ar ranlib)
  file(WRITE ${zig_tools}/${tool} "#!/bin/sh\nexec \"${zig}\" ${tool} \"$@\"\n")
  file(CHMOD ${zig_tools}/${tool} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endforeach()
set(CMAKE_C_COMPILER ${zig} cc)
set(CMAKE_AR ${zig_tools}/ar)
set(CMAKE_RANLIB ${zig_tools}/ranlib)
