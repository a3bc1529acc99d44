# Tests, found by name under src, lib, tools and tests:
#   x_test.c   a cmocka program, linked with the library's insides; it knows PONS_SOURCE_DIR and PONS_BUILD_DIR
#   x_test.sh  run by sh, x_test.py run by PONS_PYTHON; both get the paths in the environment
# A test that ends with status 77 was skipped and says why.
# x_fuzz.c is a libFuzzer program (preset fuzz), and a test that runs it on the files of tests/fuzz/corpus/x_fuzz.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

function(pons_test_settings name label)
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 SKIP_RETURN_CODE 77 LABELS "${label}")
  set(environment
      "PONS_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
      "PONS_BUILD_DIR=${PROJECT_BINARY_DIR}"
      "PONS_LIBRARY=$<TARGET_FILE:pons>"
      "PONS_STATIC_LIBRARY=$<TARGET_FILE:pons_static>"
      "PONS_PYTHON=${PONS_PYTHON}"
      "PONS_SANITIZE=${PONS_SANITIZE}"
      "PONS_CC=${CMAKE_C_COMPILER}"
      "CUDA_DOUBLE_CACHE=${PROJECT_BINARY_DIR}/tests/cuda_double/kept" # many tests have the same kernels compiled
      "METAL_DOUBLE_CACHE=${PROJECT_BINARY_DIR}/tests/metal_double/kept"
      # LLVM inside OpenCL drivers gives threads signal stacks of its own, which AddressSanitizer would unmap.
      "ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1:use_sigaltstack=0"
      "UBSAN_OPTIONS=print_stacktrace=1"
      "TSAN_OPTIONS=second_deadlock_stack=1")
  if(TARGET tools_pons)
    list(APPEND environment "PONS_COMMAND=$<TARGET_FILE:tools_pons>")
  endif()
  if(TARGET examples_digits)
    list(APPEND environment "PONS_DIGITS=$<TARGET_FILE:examples_digits>")
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}")
endfunction()

function(pons_find_files variable pattern)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
       ${PROJECT_SOURCE_DIR}/src/${pattern} ${PROJECT_SOURCE_DIR}/lib/${pattern} ${PROJECT_SOURCE_DIR}/tools/${pattern}
       ${PROJECT_SOURCE_DIR}/tests/${pattern})
  set(${variable} ${found} PARENT_SCOPE)
endfunction()

# Further .c files of tests/ (the conformance cases) serve several tests.
file(GLOB shared_test_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*.c)
list(FILTER shared_test_files EXCLUDE REGEX "_(test|fuzz)\\.c$")
add_library(pons_test_cases STATIC ${shared_test_files})
target_include_directories(pons_test_cases PUBLIC ${PROJECT_SOURCE_DIR}/tests PRIVATE ${PROJECT_SOURCE_DIR}/src
                                                  ${PROJECT_SOURCE_DIR}/include)
target_compile_options(pons_test_cases PRIVATE ${warnings})

pons_find_files(test_files *_test.c)
foreach(file ${test_files})
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  add_executable(${name} ${file})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${warnings})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE PONS_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             PONS_BUILD_DIR="${CMAKE_CURRENT_BINARY_DIR}" ${isa_defines})
  target_link_libraries(${name} PRIVATE pons_test_cases pons_internal PkgConfig::CMOCKA PkgConfig::CJSON ZLIB::ZLIB)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  pons_test_settings(${name} ${folder})
endforeach()

# The doubles of CUDA's libraries (tests/cuda_double), in a folder of their own, where tests have the loader find them.
find_program(PONS_CXX NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14
             DOC "Compiles kernels for the doubles")
set(cuda_double ${PROJECT_SOURCE_DIR}/tests/cuda_double)
set(doubles ${PROJECT_SOURCE_DIR}/tests/doubles) # what doubles share: fibers, faults, the compiler
function(pons_cuda_double name file)
  add_library(${name} SHARED ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
                                             ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${warnings} -fno-sanitize=all) # fibers would need to tell them
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE DOUBLE_CXX="${PONS_CXX}"
                                             CUDA_DOUBLE_FOLDER="${cuda_double}")
  target_link_libraries(${name} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME ${file} SUFFIX "" NO_SONAME OFF
                                           LIBRARY_OUTPUT_DIRECTORY tests/cuda_double)
endfunction()
if(PONS_CXX AND NOT APPLE)
  pons_cuda_double(cuda_double_driver libcuda.so.1 ${cuda_double}/driver.c ${cuda_double}/graphs.c ${doubles}/grid.c ${doubles}/fibers.c
                   ${doubles}/faults.c)
  pons_cuda_double(cuda_double_nvrtc libnvrtc.so.12 ${cuda_double}/nvrtc.c ${doubles}/compiler.c ${doubles}/faults.c)
  pons_cuda_double(cuda_double_cublaslt libcublasLt.so.12 ${cuda_double}/cublaslt.c ${doubles}/faults.c)
  target_link_libraries(cuda_double_cublaslt PRIVATE m)
  pons_cuda_double(cuda_double_cusolver libcusolver.so.11 ${cuda_double}/cusolver.c ${doubles}/faults.c)
  pons_cuda_double(cuda_double_cufft libcufft.so.11 ${cuda_double}/cufft.c ${doubles}/faults.c)
  target_link_libraries(cuda_double_cufft PRIVATE m)
  pons_cuda_double(cuda_double_cudnn libcudnn.so.9 ${cuda_double}/cudnn.c ${doubles}/faults.c)
  target_link_libraries(cuda_double_cudnn PRIVATE m)
  pons_cuda_double(cuda_double_nccl libnccl.so.2 ${cuda_double}/nccl.c ${doubles}/faults.c)
  target_link_libraries(cuda_double_nccl PRIVATE m)
  foreach(file ${test_files}) # who builds a test alone needs what it runs on
    get_filename_component(name ${file} NAME_WE)
    if(file MATCHES "^tests/cuda_double/")
      add_dependencies(${name} cuda_double_driver cuda_double_nvrtc cuda_double_cublaslt cuda_double_cusolver cuda_double_cufft
                       cuda_double_cudnn cuda_double_nccl)
    endif()
  endforeach()
endif()

# The double of Apple's frameworks (tests/metal_double): one library, and the names under which the others are looked for.
if(PONS_CXX AND NOT APPLE AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(metal_double ${PROJECT_SOURCE_DIR}/tests/metal_double)
  file(GLOB metal_double_files CONFIGURE_DEPENDS ${metal_double}/*.c)
  list(FILTER metal_double_files EXCLUDE REGEX "_test\\.c$")
  add_library(metal_double SHARED ${metal_double_files} ${doubles}/grid.c ${doubles}/fibers.c ${doubles}/faults.c
                                  ${doubles}/compiler.c)
  target_include_directories(metal_double PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
                                                  ${PROJECT_SOURCE_DIR})
  target_compile_options(metal_double PRIVATE ${warnings} -fno-sanitize=all) # fibers would need to tell them
  target_compile_definitions(metal_double PRIVATE _GNU_SOURCE DOUBLE_CXX="${PONS_CXX}"
                                                  METAL_DOUBLE_FOLDER="${metal_double}")
  target_link_libraries(metal_double PRIVATE Threads::Threads ${CMAKE_DL_LIBS} m)
  set_target_properties(metal_double PROPERTIES PREFIX "" OUTPUT_NAME libobjc.A.dylib SUFFIX ""
                                                LIBRARY_OUTPUT_DIRECTORY tests/metal_double)
  foreach(framework Metal Foundation CoreGraphics MetalPerformanceShaders)
    add_custom_command(TARGET metal_double POST_BUILD VERBATIM
                       COMMAND ${CMAKE_COMMAND} -E create_symlink libobjc.A.dylib
                               ${CMAKE_CURRENT_BINARY_DIR}/tests/metal_double/${framework})
  endforeach()
  # Names without a folder are looked for there. (Not by the program's own path: a sanitizer opens libraries in its place.)
  foreach(file ${test_files})
    get_filename_component(name ${file} NAME_WE)
    if(file MATCHES "^tests/metal_double/")
      add_dependencies(${name} metal_double)
      set_tests_properties(${name} PROPERTIES ENVIRONMENT_MODIFICATION
                           "LD_LIBRARY_PATH=path_list_prepend:${CMAKE_CURRENT_BINARY_DIR}/tests/metal_double")
    endif()
  endforeach()
endif()

# Tests that run once more with each of the devices as the default one. Not under sanitizers: drivers leak.
function(pons_on_devices devices)
  if(PONS_SANITIZE OR NOT TARGET tools_pons)
    return()
  endif()
  foreach(name ${ARGN})
    foreach(device ${devices})
      add_test(NAME ${name}_${device} COMMAND sh ${PROJECT_SOURCE_DIR}/tests/on_device.sh ${device} $<TARGET_FILE:${name}>
               WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
      pons_test_settings(${name}_${device} src/backends)
    endforeach()
  endforeach()
endfunction()

# The tests of ops: OpenCL, CUDA where there is an NVIDIA GPU, and the doubles of CUDA's libraries and of Apple's.
pons_on_devices("opencl;cuda;cuda_double;metal_double" elementwise_test reduce_ops_test shape_ops_test index_ops_test index_list_test
                product_ops_test quantized_product_test attention_test attention_vjp_test norm_vjp_test cross_entropy_test wrong_indices_test
                custom_gpu_test ping_pong_test convolution_ways_test made_reductions_test fft_test linalg_ops_test array_test nn_test
                optim_test device_memory_test)

pons_on_devices("opencl" clblast_test)
pons_on_devices("cuda;cuda_double;metal_double" long_lines_test) # PoCL would compile for minutes; selftest has such lines
pons_on_devices("cuda_early" index_ops_test product_ops_test quantized_product_test ping_pong_test)
pons_on_devices("cuda_90;cuda_90_early" attention_test attention_vjp_test) # kernels that only a GPU of that compute capability has

# Cases of the conformance suite beside the CPU: some hundred kernels, which take minutes where none was compiled before.
pons_on_devices("opencl;cuda;cuda_double" conformance_device_test)
if(TEST conformance_device_test_opencl)
  set_tests_properties(conformance_device_test_opencl PROPERTIES TIMEOUT 2400)
endif()

# Kernels in Metal's language, and in CUDA C++.
pons_on_devices("cuda;cuda_double;metal_double" metal_kernels_test)
pons_on_devices("cuda;cuda_double" cuda_kernel_test)

# Every kernel beside the CPU; nothing may have run on the CPU in its place.
if(NOT PONS_SANITIZE AND TARGET tools_pons)
  foreach(device opencl cuda cuda_double)
    string(REPLACE "_double" "" name ${device})
    add_test(NAME selftest_${device} COMMAND sh ${PROJECT_SOURCE_DIR}/tests/on_device.sh ${device} $<TARGET_FILE:tools_pons>
                                             selftest --device ${name} --strict
             WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    pons_test_settings(selftest_${device} src/backends)
  endforeach()
  # Where none of its kernels was compiled before; alone it has PoCL optimise them (tests/on_device.sh).
  set_tests_properties(selftest_opencl PROPERTIES TIMEOUT 2400 ENVIRONMENT_MODIFICATION "POCL_EXTRA_BUILD_FLAGS=set:")
endif()

# CUDA with the driver alone: kernels that were built ahead, here by the double of NVRTC.
if(TARGET cuda_double_driver AND NOT PONS_SANITIZE AND TARGET tools_pons)
  add_test(NAME cuda_kernels_ahead
           COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/build_kernels.sh $<TARGET_FILE:tools_pons> tests/cuda_double/alone.kernels
                   tests/cuda_double/libnvrtc.so.12 ""
           WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  pons_test_settings(cuda_kernels_ahead src/backends)
  set_tests_properties(cuda_kernels_ahead PROPERTIES FIXTURES_SETUP cuda_kernels_ahead)
  add_test(NAME selftest_cuda_alone COMMAND sh ${PROJECT_SOURCE_DIR}/tests/on_device.sh cuda_alone $<TARGET_FILE:tools_pons>
                                            selftest --device cuda --strict
           WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  pons_test_settings(selftest_cuda_alone src/backends)
  set_tests_properties(selftest_cuda_alone PROPERTIES FIXTURES_REQUIRED cuda_kernels_ahead)
endif()

pons_find_files(script_files *_test.sh)
foreach(file ${script_files})
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  add_test(NAME ${name} COMMAND sh ${PROJECT_SOURCE_DIR}/${file} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  pons_test_settings(${name} ${folder})
endforeach()

pons_find_files(python_files *_test.py)
foreach(file ${python_files})
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  add_test(NAME ${name}_py COMMAND sh ${PROJECT_SOURCE_DIR}/tests/python.sh ${PROJECT_SOURCE_DIR}/${file}
           WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  pons_test_settings(${name}_py ${folder})
endforeach()

# nvrtc_test compiles the texts of the kernels that these use: they keep them in a folder that is emptied before.
if(TARGET cuda_double_driver AND TEST selftest_cuda_double)
  set(texts ${CMAKE_CURRENT_BINARY_DIR}/tests/nvrtc_texts)
  add_test(NAME nvrtc_texts_none COMMAND ${CMAKE_COMMAND} -E rm -rf ${texts})
  set_tests_properties(nvrtc_texts_none PROPERTIES FIXTURES_SETUP nvrtc_texts_none LABELS tests/nvrtc)
  foreach(name selftest_cuda_double elementwise_test_cuda_double made_reductions_test_cuda_double convolution_ways_test_cuda_double
               custom_gpu_test_cuda_double metal_kernels_test_cuda_double cuda_kernel_test_cuda_double fft_test_cuda_double
               attention_test_cuda_90 attention_vjp_test_cuda_90 cuda_solver_test)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED nvrtc_texts_none FIXTURES_SETUP nvrtc_texts
                                            ENVIRONMENT_MODIFICATION "PONS_CACHE_DIR=set:${texts}")
  endforeach()
  set_tests_properties(nvrtc_test_py PROPERTIES FIXTURES_REQUIRED nvrtc_texts)
endif()

# What takes minutes begins first, the longest before the others, so that nobody waits for it alone in the end.
foreach(name selftest_opencl nvrtc_test_py conformance_device_test_opencl conformance_device_test_cuda_double kernels_test
             selftest_cuda_double clblast_test_opencl fixtures_test attention_test_opencl attention_vjp_test_opencl
             matmul_cpu_test digits_test) # the last two under AddressSanitizer
  if(TEST ${name})
    set_tests_properties(${name} PROPERTIES COST 1000)
  endif()
endforeach()

# Fuzz targets: with libFuzzer (PONS_FUZZ), and as tests that run each on its corpus in tests/fuzz/corpus.
find_program(PONS_AWK awk REQUIRED)
file(GLOB public_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/pons/*.h)
set(fuzz_calls ${CMAKE_CURRENT_BINARY_DIR}/generated/fuzz_calls.def)
set(fuzz_script ${PROJECT_SOURCE_DIR}/tests/fuzz/calls_from_headers.awk)
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/generated)
add_custom_command(OUTPUT ${fuzz_calls}
                   COMMAND ${PONS_AWK} -v "types_only=/(array|distributed|io)[.]h$"
                           -v "by_hand=^pons_(unstack|einsum_path|broadcast_shapes|fast_[a-z_]*_kernel)" -f ${fuzz_script} ${public_headers} > ${fuzz_calls}
                   DEPENDS ${fuzz_script} ${public_headers} VERBATIM)
add_custom_target(fuzz_calls DEPENDS ${fuzz_calls})

function(pons_fuzz_program target out)
  add_executable(${target} ${ARGN})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}
                                               ${CMAKE_CURRENT_BINARY_DIR}/generated)
  target_compile_options(${target} PRIVATE ${warnings})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE PONS_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE pons_internal)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${out})
  add_dependencies(${target} fuzz_calls)
endfunction()

pons_find_files(fuzz_files *_fuzz.c)
add_custom_target(fuzzers)
foreach(file ${fuzz_files})
  get_filename_component(name ${file} NAME_WE)
  if(PONS_FUZZ)
    pons_fuzz_program(${name} fuzz ${file})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
  endif()
  pons_fuzz_program(${name}_replay tests ${file} tests/fuzz/replay.c)
  add_test(NAME ${name}_replay COMMAND ${name}_replay ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}
           WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  pons_test_settings(${name}_replay tests/fuzz)
endforeach()
