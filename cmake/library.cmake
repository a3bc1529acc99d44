# The library: objects, then from them
#   pons           shared; exports what PONS_API marks
#   pons_static    the same in one object file whose hidden symbols are local
#   pons_internal  a plain archive, for tests that reach inside

file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/*.c lib/*.c)
list(FILTER sources EXCLUDE REGEX "(_test|_fuzz|\\.isa)\\.c$")
file(GLOB_RECURSE isa_sources CONFIGURE_DEPENDS src/backends/cpu/*.isa.c)

# Kernels of the CPU backend are compiled once per instruction set; -DISA=<name> tells which.
option(PONS_EVERY_ISA "Kernels for every instruction set the compiler knows, not for the baseline alone" ON)
include(CheckCCompilerFlag)
set(isa_names baseline)
set(isa_baseline "")
set(isa_defines "")
if(PONS_EVERY_ISA AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(isa_avx2 -mavx2 -mfma -mf16c)
  set(isa_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c)
  check_c_compiler_flag("-mavx2 -mfma -mf16c" PONS_COMPILES_AVX2)
  check_c_compiler_flag("-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni" PONS_COMPILES_AVX512) # some functions use VNNI
  if(PONS_COMPILES_AVX2)
    list(APPEND isa_names avx2)
    list(APPEND isa_defines PONS_HAVE_AVX2=1)
  endif()
  if(PONS_COMPILES_AVX512)
    list(APPEND isa_names avx512)
    list(APPEND isa_defines PONS_HAVE_AVX512=1)
  endif()
endif()

# Loops that the compiler makes vectors of, over elements that come from memory: registers of 64 bytes would slow the processor's clock for
# all that is done beside them, and win nothing.
if(isa_names MATCHES "avx512")
  set_source_files_properties(src/backends/cpu/elementwise.isa.c src/backends/cpu/lanes.isa.c src/backends/cpu/reduce.isa.c
                              PROPERTIES COMPILE_OPTIONS -mprefer-vector-width=256)
endif()

function(pons_objects name)
  add_library(${name} OBJECT ${ARGN})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                     PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${warnings})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE PONS_VERSION="${PROJECT_VERSION}" ${isa_defines})
endfunction()

# Texts that devices compile at run time, as strings of the library.
function(pons_embed name)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} "-DFILES=${ARGN}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
  set(sources ${sources} ${out} PARENT_SCOPE)
endfunction()

# What stands in front of every kernel in the language of a backend: src/backends/<name>/prologue.h, then the same for all.
set(gpu_texts ${PROJECT_SOURCE_DIR}/src/backends/gpu/dialect.h)
foreach(part scalar_float scalar_half scalar_integer scalar)
  list(APPEND gpu_texts ${PROJECT_SOURCE_DIR}/src/kernel/${part}.h)
endforeach()
list(APPEND gpu_texts ${PROJECT_SOURCE_DIR}/src/backends/gpu/complex_numbers.h)
# In front of chains that compute with complex numbers.
pons_embed(complex_functions ${PROJECT_SOURCE_DIR}/src/backends/gpu/complex_functions.h)
file(GLOB prologues CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backends/*/prologue.h)
foreach(prologue ${prologues})
  get_filename_component(folder ${prologue} DIRECTORY)
  get_filename_component(backend ${folder} NAME)
  pons_embed(${backend}_prologue ${prologue} ${gpu_texts})
endforeach()

# What stands in front of kernels in Metal's language on CUDA.
set(metal_texts "")
foreach(part numbers vectors math threads matrices)
  list(APPEND metal_texts ${PROJECT_SOURCE_DIR}/src/backends/cuda/metal/${part}.h)
endforeach()
pons_embed(metal_on_cuda ${metal_texts})
# Of such kernels on Metal,
pons_embed(mlx_metal ${PROJECT_SOURCE_DIR}/src/backends/metal/mlx_metal.h)
# and of kernels in CUDA C++.
pons_embed(cuda_kernel_prologue ${PROJECT_SOURCE_DIR}/src/backends/cuda/metal/numbers.h
           ${PROJECT_SOURCE_DIR}/src/backends/cuda/cxx/mlx_cuda.h)

# Kernels in the dialect of all: x.kc is kernel_x. Those for CUDA's matrix units, called x_tensor.kc, have what these are in front, and
# those for a warpgroup's, x_warpgroup.kc, also these; those for codes, quantized*.kc,
# what codes are.
file(GLOB kernel_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backends/*/*.kc)
foreach(file ${kernel_files})
  get_filename_component(name ${file} NAME_WE)
  set(in_front "")
  if(name MATCHES "_(tensor|warpgroup)$")
    set(in_front ${PROJECT_SOURCE_DIR}/src/backends/cuda/matrix_unit.h)
  endif()
  if(name MATCHES "_warpgroup$")
    list(APPEND in_front ${PROJECT_SOURCE_DIR}/src/backends/cuda/warpgroup.h)
  endif()
  if(name MATCHES "^quantized")
    list(APPEND in_front ${PROJECT_SOURCE_DIR}/src/backends/gpu/quantized_codes.h)
  endif()
  pons_embed(kernel_${name} ${in_front} ${file})
endforeach()

pons_objects(pons_objects ${sources})
# Small structs are cleared by stores; the instruction that repeats one takes longer to begin than they do.
if(isa_names MATCHES "avx2" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(pons_objects PRIVATE -mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign)
endif()
# Nothing unwinds through these either; debuggers read what -g writes.
target_compile_options(pons_objects PRIVATE $<$<CONFIG:Release>:-fno-asynchronous-unwind-tables>)
# Reading, writing and translating wait for files, peers and compilers: they are to be small.
set(small ${sources})
list(FILTER small INCLUDE REGEX "/(src/export|src/links|lib/io|src/backends/cuda/metal|src/backends/cuda/cxx)/")
list(FILTER small EXCLUDE REGEX "/gguf_blocks[.]c$")
set_property(SOURCE ${small} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)
target_link_libraries(pons_objects PRIVATE ZLIB::ZLIB PkgConfig::CJSON Threads::Threads)
set(objects $<TARGET_OBJECTS:pons_objects>)
# The loops in isa_sources, built once more for an instruction set.
function(pons_isa_objects name isa)
  pons_objects(${name} ${ARGN})
  # Nobody reads errno or floating-point traps; without them loops vectorise. Threaded jumps make ten instructions of
  # a clamp's four; nothing unwinds through them. Optimised even in debug builds: the loops are not bearable otherwise.
  # The frames that AddressSanitizer takes for uses after return are not aligned for registers of 64 bytes by gcc.
  target_compile_options(${name} PRIVATE $<IF:$<CONFIG:Debug>,-O2,-O3> -fno-math-errno -fno-trapping-math
                                         $<$<C_COMPILER_ID:GNU>:-fno-thread-jumps;--param=vect-epilogues-nomask=0;--param=asan-use-after-return=0>
                                         -fno-asynchronous-unwind-tables
                                         ${isa_${isa}} $<$<C_COMPILER_ID:Clang,AppleClang>:-Wno-pass-failed>)
  target_compile_definitions(${name} PRIVATE ISA=${isa})
  set(objects ${objects} $<TARGET_OBJECTS:${name}> PARENT_SCOPE)
endfunction()

if(isa_sources)
  foreach(isa ${isa_names})
    if(isa STREQUAL "baseline" AND NOT isa_names STREQUAL "baseline")
      # What serves processors that have none of the others is to be small first: copies of a loop for what may overlap, and
      # unrolled ones, are 140 KB there. Products, written in registers, lose 3 to 12 % of their speed by -Os, and 43 KB.
      set(products ${isa_sources})
      list(FILTER products INCLUDE REGEX "/(gemm|thin|quantized)\\.isa\\.c$")
      set(others ${isa_sources})
      list(REMOVE_ITEM others ${products})
      pons_isa_objects(pons_objects_baseline baseline ${others})
      target_compile_options(pons_objects_baseline PRIVATE -O2 $<$<C_COMPILER_ID:GNU>:-ftree-vectorize;-fvect-cost-model=cheap>)
      pons_isa_objects(pons_objects_baseline_products baseline ${products})
      target_compile_options(pons_objects_baseline_products PRIVATE -Os)
    else()
      pons_isa_objects(pons_objects_${isa} ${isa} ${isa_sources})
    endif()
  endforeach()
endif()

set(links ZLIB::ZLIB PkgConfig::CJSON Threads::Threads m ${CMAKE_DL_LIBS})

function(pons_library name kind)
  add_library(${name} ${kind} ${ARGN})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} PRIVATE ${links})
endfunction()

pons_library(pons SHARED ${objects})
set_target_properties(pons PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
include(CheckLinkerFlag)
check_linker_flag(C -Wl,-Bsymbolic-functions PONS_LINKS_SYMBOLIC)
if(PONS_LINKS_SYMBOLIC) # calls among its own functions go straight
  target_link_options(pons PRIVATE -Wl,-Bsymbolic-functions)
endif()
pons_library(pons_internal STATIC ${objects})

if(APPLE)
  pons_library(pons_static STATIC ${objects}) # Mach-O keeps hidden symbols private to the program it is linked into
else()
  set(joined ${CMAKE_CURRENT_BINARY_DIR}/pons_joined${CMAKE_C_OUTPUT_EXTENSION})
  add_custom_command(
    OUTPUT ${joined}
    COMMAND ${CMAKE_LINKER} -r -o ${joined} ${objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${joined}
    DEPENDS pons_internal ${objects}
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${joined} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  pons_library(pons_static STATIC ${joined})
endif()
set_target_properties(pons_static PROPERTIES OUTPUT_NAME pons LINKER_LANGUAGE C)
set_target_properties(pons pons_static pons_internal PROPERTIES ARCHIVE_OUTPUT_DIRECTORY lib LIBRARY_OUTPUT_DIRECTORY lib)
