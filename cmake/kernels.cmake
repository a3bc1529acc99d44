# CUDA kernels built ahead as PTX, and as machine code if asked for, for machines that have NVIDIA's driver but no NVRTC: those that `pons selftest` uses, in every dtype, compiled
# by an NVRTC found here, in one file (build_kernels.sh). No GPU is needed. It lies beside the library, in the build tree, where it is installed,
# and in a wheel, and is found there.
set(PONS_CUDA_KERNELS OFF CACHE STRING
    "Build CUDA kernels ahead, for machines without NVRTC, where there is one here: ON, OFF, or names of checks of `pons selftest`")
set(PONS_CUDA_ARCHS "" CACHE STRING
    "Compute capabilities, 80;90, that these kernels are machine code for, beside PTX, which the driver translates at first use")
if(PONS_CUDA_KERNELS)
  list(JOIN PONS_CUDA_ARCHS " " archs)
  # A driver takes PTX of its own CUDA or an older one: the oldest found here serves most. 11.7's and 11.8's is made 11.6's.
  file(GLOB nvrtc_folders LIST_DIRECTORIES true ${PROJECT_SOURCE_DIR}/build/nvrtc/*
       ${PROJECT_SOURCE_DIR}/build/venv/lib/python*/site-packages/nvidia/cuda_nvrtc/lib)
  find_library(PONS_NVRTC_LIBRARY NAMES libnvrtc.so.11.2 libnvrtc.so.12 libnvrtc.so.13 nvrtc
               HINTS ${nvrtc_folders} ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES lib64 lib
               DOC "Compiles the CUDA kernels that are built ahead")
  set(which --every-dtype)
  if(NOT PONS_CUDA_KERNELS STREQUAL "ON")
    set(which ${PONS_CUDA_KERNELS})
  endif()
  if(PONS_NVRTC_LIBRARY)
    if(NOT TARGET tools_pons)
      file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/pons/*.c)
      pons_program(tools pons bin ${files})
    endif()
    set(kernels ${CMAKE_CURRENT_BINARY_DIR}/lib/pons-kernels) # beside the library
    add_custom_command(OUTPUT ${kernels}
                       COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/build_kernels.sh $<TARGET_FILE:tools_pons> ${kernels}
                               ${PONS_NVRTC_LIBRARY} "${archs}" ${which}
                       DEPENDS tools_pons pons ${PROJECT_SOURCE_DIR}/cmake/build_kernels.sh
                       COMMENT "CUDA kernels, by ${PONS_NVRTC_LIBRARY}" VERBATIM)
    add_custom_target(cuda_kernels ALL DEPENDS ${kernels})
    install(FILES ${kernels} DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES ${kernels} DESTINATION pons COMPONENT python EXCLUDE_FROM_ALL)
  else()
    message(STATUS "PONS_CUDA_KERNELS: no NVRTC was found (PONS_NVRTC_LIBRARY), so no CUDA kernels are built ahead")
  endif()
endif()
